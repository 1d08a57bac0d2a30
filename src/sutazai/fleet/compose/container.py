"""What is in a container, where it listens, and what it sees of the machine."""

from __future__ import annotations

from typing import Any

from sutazai.fleet.compose.around import Around, scalar
from sutazai.fleet.compose.kinds import Kind
from sutazai.fleet.compose.network import in_host_network, network_of
from sutazai.fleet.compose.ports import PORT_MAX, Published
from sutazai.fleet.compose.program import image_of, words_of
from sutazai.fleet.compose.source import ComposeService
from sutazai.fleet.compose.volumes import volumes_of


def container_of(service: ComposeService, port: Published | None, around: Around) -> dict[str, Any]:
    """What the fleet file says of the container itself."""
    return {
        "runtime": "container",
        "image": image_of(service, around),
        "entrypoint": words_of("entrypoint", service, around),
        "command": words_of("command", service, around),
        "container_name": _name(service, around) if around.adopt else None,
        "port": _port(service, port, around),
        "container_port": _port_within(service, port, around),
        "network": network_of(service, around),
        "volumes": volumes_of(service, around),
        "user": _text(service, "user", around),
        "read_only": _is_true(service, "read_only") or None,
        "directory": _text(service, "working_dir", around),
    }


def _port(service: ComposeService, port: Published | None, around: Around) -> int | None:
    """Of an agent that runs already its container keeps the port, and its door gets another."""
    if port is None or (around.adopt and around.kinds[service.name] is Kind.AGENT):
        return None
    return port.published


def _port_within(service: ComposeService, port: Published | None, around: Around) -> int | None:
    if in_host_network(service):
        return None
    if port is None:
        return _exposed(service)
    alike = port.published == port.target and around.kinds[service.name] is Kind.SERVICE
    return None if alike and not around.adopt else port.target


def _exposed(service: ComposeService) -> int | None:
    """What it says that others of its network call."""
    for node in (item for ports in service.all("expose") for item in ports.items()):
        text = scalar(node.value).partition("/")[0]
        if text.isdecimal() and 0 < int(text) <= PORT_MAX:
            return int(text)
    return None


def _text(service: ComposeService, key: str, around: Around) -> str | None:
    node = service.find(key)
    return None if node is None else around.plain(node) or None


def _is_true(service: ComposeService, key: str) -> bool:
    node = service.find(key)
    return node is not None and node.value is True


def _name(service: ComposeService, around: Around) -> str:
    """What Compose calls it."""
    named = _text(service, "container_name", around)
    return named or f"{around.project}-{service.name}-1"
