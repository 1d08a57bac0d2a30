"""The one port of a unit, out of all that its Compose service publishes."""

from __future__ import annotations

from dataclasses import dataclass, field

from sutazai.fleet.compose.around import OWN_PORTS, Around
from sutazai.fleet.compose.ports import Published, parse_port
from sutazai.fleet.compose.source import ComposeService, Node
from sutazai.fleet.positions import Path, shown

_ONE_PORT = "let Docker run it where others need more than one port of it"


@dataclass
class PortBook:
    """Who has which port of the machine, so that nobody gets one twice."""

    taken: dict[int, str] = field(
        default_factory=lambda: {
            OWN_PORTS.control: "SutazAI's control plane",
            OWN_PORTS.gateway: "SutazAI's gateway",
        }
    )

    def take(self, port: int, owner: str) -> str | None:
        """Who has ``port`` already; None where it is now ``owner``'s."""
        first = self.taken.setdefault(port, owner)
        return None if first == owner else first


def port_of(service: ComposeService, around: Around, book: PortBook) -> Published | None:
    """The first published port that is free; the others are found."""
    chosen: Published | None = None
    for node in (item for ports in service.all("ports") for item in ports.items()):
        port = _read_port(node, around)
        if port is None or port == chosen:
            continue
        if chosen is not None:
            message = "a unit has one `port`: this one is not carried over"
            around.findings.note(node.path, message, _ONE_PORT)
        elif _usable(port, node.path, around) and _is_free(service, port, node.path, around, book):
            chosen = port
    return chosen


def _read_port(node: Node, around: Around) -> Published | None:
    value = node.value
    if isinstance(value, dict):
        value = {key: around.plain(Node(each, node.path)) for key, each in value.items()}
    elif isinstance(value, str):
        value = around.plain(node)
    try:
        return parse_port(value)
    except ValueError as error:
        around.findings.note(node.path, f"this port is left out: {error}", "write it as 8080:80")
        return None


def _usable(port: Published, path: Path, around: Around) -> bool:
    """Whether it can be a unit's port at all; says what is lost of it."""
    if port.protocol != "tcp":
        around.findings.note(path, f"a port for {shown(port.protocol)} is not carried over")
        return False
    if port.published is None:
        message = "Docker chooses this port anew each time; the fleet file has none"
        around.findings.note(path, message, "set `port` where others must find it")
        return False
    if port.count > 1:
        message = f"of this range of {port.count} ports the first one is carried over"
        around.findings.note(path, message, _ONE_PORT)
    if port.on_other_address:
        message = "this was bound to an address; a fleet listens on 127.0.0.1"
        around.findings.note(path, message, "put a proxy in front, or move all with `ports.host`")
    return True


def _is_free(
    service: ComposeService, port: Published, path: Path, around: Around, book: PortBook
) -> bool:
    assert port.published is not None  # noqa: S101 (`_usable` has seen to it; for the type)
    first = book.take(port.published, f"`{shown(service.name)}`")
    if first is None:
        return True
    around.findings.note(
        path,
        f"port {port.published} belongs to {first} already; it is left out here",
        "set another `port` for one of them",
    )
    return False
