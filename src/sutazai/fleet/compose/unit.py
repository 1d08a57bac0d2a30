"""One service of the Compose file as an agent or a service of the fleet."""

from __future__ import annotations

from typing import Any

from sutazai.fleet.compose.amounts import amounts_of
from sutazai.fleet.compose.around import Around, scalar
from sutazai.fleet.compose.dependencies import dependencies_of
from sutazai.fleet.compose.draft import Entry
from sutazai.fleet.compose.environment import environment_of
from sutazai.fleet.compose.health import health_of, seconds_at
from sutazai.fleet.compose.kinds import Kind
from sutazai.fleet.compose.leftovers import tell_of_leftovers
from sutazai.fleet.compose.listening import PortBook, port_of
from sutazai.fleet.compose.ports import Published
from sutazai.fleet.compose.program import command_of, image_of
from sutazai.fleet.compose.quantities import duration_text
from sutazai.fleet.compose.source import ComposeService
from sutazai.fleet.compose.volumes import parse_volume
from sutazai.fleet.positions import shown

HELD_BACK: dict[Kind, dict[str, Any]] = {
    Kind.AGENT: {"temperature": "cold"},
    Kind.SERVICE: {"enabled": False},
}
"""What keeps a container from starting: `fleet.checks` refuses those that would."""

_STAYS_IN_DOCKER = "let Docker run it with its data, and declare it with `runtime: remote`"
_NAMES = "names are lower-case, with single dashes, and none of SutazAI's own parts"


def unit_of(service: ComposeService, around: Around, book: PortBook) -> Entry:
    """``service`` as it stands in the fleet file; what cannot stand there is found."""
    port = port_of(service, around, book)
    kind = around.kinds[service.name]
    needed = dependencies_of(service, around)
    keys: dict[str, Any] = {
        "runtime": "container",
        "image": image_of(service, around),
        "command": command_of(service, around),
        **HELD_BACK[kind],
        "port": port.published if port else None,
        **amounts_of(service, around),
        "environment": environment_of(service, around),
        "depends_on": _may_wait_for(needed, kind, around),
        "health": health_of(service, port.target if port else None, around),
        "stop_timeout": _stop_timeout(service, around),
    }
    tell_of_leftovers(service, around)
    remarks = [
        *_renamed(service, around),
        *_remarks(service, port, around),
        *_waits_later(service, needed, keys["depends_on"], around),
    ]
    kept = {key: value for key, value in keys.items() if value not in (None, [], {}, ())}
    return Entry(around.names[service.name], kept, tuple(remarks))


def _may_wait_for(needed: list[str], kind: Kind, around: Around) -> list[str]:
    """An agent cannot wait for what is not enabled, which services are not (`HELD_BACK`)."""
    if kind is Kind.SERVICE:
        return needed
    agents = {around.names[name] for name, of in around.kinds.items() if of is Kind.AGENT}
    return [name for name in needed if name in agents]


def _waits_later(
    service: ComposeService, needed: list[str], now: list[str], around: Around
) -> list[str]:
    if needed == now:
        return []
    around.findings.note(
        (*service.path, "depends_on"),
        "an agent cannot wait for a service that is not enabled: a comment says what it waits for",
        "make it `depends_on` once you have enabled the service",
    )
    return [f"once these are enabled: depends_on: [{', '.join(needed)}]"]


def _stop_timeout(service: ComposeService, around: Around) -> str | None:
    node = service.find("stop_grace_period")
    seconds = None if node is None else seconds_at(node, around)
    return None if seconds is None else duration_text(seconds)


def _renamed(service: ComposeService, around: Around) -> list[str]:
    name = around.names[service.name]
    if name == service.name:
        return []
    message = f"`{shown(service.name)}` is called `{name}` in the fleet"
    around.findings.note(service.path, message, _NAMES)
    return [f"in Compose: {service.name}"]


def _remarks(service: ComposeService, port: Published | None, around: Around) -> list[str]:
    remarks = []
    if port is not None and port.published != port.target:
        remarks.append(f"within the container it listens on {port.target}")
    if (profiles := service.find("profiles")) is not None:
        names = ", ".join(scalar(name) for name in profiles.value)
        remarks.append(f"started only with the profile {names}")
        message = "a fleet has no profiles: this one starts only when you say so"
        around.findings.note(profiles.path, message, "`enabled`, or an agent's `temperature`")
    return [*remarks, *_volumes(service, around)]


def _volumes(service: ComposeService, around: Around) -> list[str]:
    remarks = []
    for node in (item for volumes in service.all("volumes") for item in volumes.items()):
        try:
            mount = parse_volume(node.value)
        except ValueError as error:
            around.findings.note(node.path, f"this volume is left out: {error}")
            continue
        remarks.append(f"volume, not carried over: {mount}")
        if mount.is_docker_socket:
            message = "this hands Docker itself to the container, which a fleet does not"
            around.findings.note(node.path, message, "leave it in the Compose file")
        else:
            around.findings.note(node.path, "a volume is not carried over", _STAYS_IN_DOCKER)
    return remarks
