"""How a container is connected: by the fleet's own bridge, or as any program of the machine."""

from __future__ import annotations

from sutazai.fleet.compose.around import Around
from sutazai.fleet.compose.source import ComposeService
from sutazai.fleet.positions import shown
from sutazai.fleet.spec import Network

_ORDINARY = ("bridge", "default")


def in_host_network(service: ComposeService) -> bool:
    """Whether it is connected as any program of the machine."""
    node = service.find("network_mode")
    return node is not None and node.value == Network.HOST


def network_of(service: ComposeService, around: Around) -> str | None:
    """What the fleet file says under ``network``."""
    node = service.find("network_mode")
    if node is None or node.value in _ORDINARY:
        return None
    if in_host_network(service):
        return Network.HOST.value
    around.findings.note(
        node.path,
        f"`network_mode: {shown(str(node.value))}` is not carried over",
        "containers of a fleet share one network; `network: host` gives one the machine's",
    )
    return None
