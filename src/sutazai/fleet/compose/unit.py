"""One service of the Compose file as an agent or a service of the fleet."""

from __future__ import annotations

from typing import Any

from sutazai.fleet.compose.amounts import amounts_of
from sutazai.fleet.compose.around import Around, scalar
from sutazai.fleet.compose.container import container_of
from sutazai.fleet.compose.dependencies import dependencies_of, restarts_of
from sutazai.fleet.compose.draft import Entry
from sutazai.fleet.compose.environment import environment_of
from sutazai.fleet.compose.health import health_of, seconds_at
from sutazai.fleet.compose.kinds import Kind
from sutazai.fleet.compose.leftovers import tell_of_leftovers
from sutazai.fleet.compose.listening import PortBook, port_of
from sutazai.fleet.compose.quantities import duration_text
from sutazai.fleet.compose.source import ComposeService
from sutazai.fleet.positions import shown

_NAMES = "names are lower-case, with single dashes, and none of SutazAI's own parts"


def unit_of(service: ComposeService, around: Around, book: PortBook) -> Entry:
    """``service`` as it stands in the fleet file; what cannot stand there is found."""
    port = port_of(service, around, book)
    needed = dependencies_of(service, around)
    waits_for = _may_wait_for(service, needed, around)
    keys: dict[str, Any] = {
        **container_of(service, port, around),
        **_running(service, around.kinds[service.name]),
        **amounts_of(service, around),
        "environment": environment_of(service, around),
        "depends_on": waits_for,
        "restart_with": restarts_of(service, around, waits_for),
        "health": health_of(service, port.target if port else None, around),
        "stop_timeout": _stop_timeout(service, around),
    }
    tell_of_leftovers(service, around)
    remarks = [
        *_renamed(service, around),
        *_remarks(service, around),
        *_waits_later(service, needed, waits_for, around),
    ]
    kept = {key: value for key, value in keys.items() if value not in (None, [], {}, ())}
    return Entry(around.names[service.name], kept, tuple(remarks))


def _running(service: ComposeService, kind: Kind) -> dict[str, Any]:
    """Compose runs all the time what has no profile."""
    if kind is Kind.AGENT:
        return {"temperature": "cold" if service.find("profiles") else "hot"}
    return {"enabled": False} if service.find("profiles") else {}


def _may_wait_for(service: ComposeService, needed: list[str], around: Around) -> list[str]:
    """What runs cannot wait for what is not enabled."""
    if service.find("profiles") is not None and around.kinds[service.name] is Kind.SERVICE:
        return needed
    return [name for name in needed if name not in around.off]


def _waits_later(
    service: ComposeService, needed: list[str], now: list[str], around: Around
) -> list[str]:
    if needed == now:
        return []
    around.findings.note(
        (*service.path, "depends_on"),
        "nothing can wait for a service that is not enabled: a comment says what it waits for",
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


def _remarks(service: ComposeService, around: Around) -> list[str]:
    profiles = service.find("profiles")
    if profiles is None:
        return []
    names = ", ".join(scalar(name) for name in profiles.value)
    message = "a fleet has no profiles: this one starts only when you say so"
    around.findings.note(profiles.path, message, "`enabled`, or an agent's `temperature`")
    return [f"started only with the profile {names}"]
