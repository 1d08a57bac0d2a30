"""From what a fleet declares of isolation to what the host is told of it. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sutazai.control.uids import Users
from sutazai.fleet.desired import DesiredUnit, Isolation, Kind
from sutazai.fleet.isolation import numbers
from sutazai.fleet.places import Places
from sutazai.fleet.spec import Fleet, Runtime, Unit

LLM = "llm"
"""The set of cores of the LLM servers that the fleet starts."""

_PROCESSES = (Runtime.PYTHON, Runtime.COMMAND)


def isolated(
    planned: DesiredUnit, fleet: Fleet, users: Users, *, places: Places, base: Path, gateway: int
) -> DesiredUnit:
    """A unit with how it is kept from others, and the cores it runs on.

    Args:
        base: folder that relative paths count from.
        gateway: the port by which programs reach the gateway.
    """
    units = fleet.agents if planned.kind is Kind.AGENT else fleet.services
    declared = units.get(planned.name)
    if declared is None:  # an LLM server, declared as such
        return planned.model_copy(update={"cores": _cores(fleet, LLM)})
    update: dict[str, Any] = {"cores": _cores(fleet, declared.affinity or declared.pool)}
    if declared.runtime not in _PROCESSES:
        return planned.model_copy(update=update)
    if (declared.run_as or fleet.isolation.run_as) != "host":
        update["isolation"] = _isolation(planned.name, declared, users, base, gateway)
        if _needs_no_folder(planned, declared):
            update["directory"] = str(places.home(planned.name))
    return planned.model_copy(update=update)


def _isolation(name: str, unit: Unit, users: Users, base: Path, gateway: int) -> Isolation:
    return Isolation(
        uid=users.uids.get(name),
        why=users.why,
        reads=_anchored(unit.reads, base),
        writes=_anchored(unit.writes, base),
        egress=_egress(unit, gateway),
    )


def _needs_no_folder(planned: DesiredUnit, declared: Unit) -> bool:
    """A role agent has no code beside the fleet file, which may be closed to other users."""
    return (
        declared.runtime is Runtime.PYTHON
        and declared.directory is None
        and (planned.entry or "").startswith("sutazai.")
    )


def _cores(fleet: Fleet, name: str) -> tuple[int, ...]:
    return numbers(fleet.affinity[name]) if name in fleet.affinity else ()


def _anchored(paths: tuple[str, ...] | None, base: Path) -> tuple[str, ...] | None:
    return None if paths is None else tuple(str(base / path) for path in paths)


def _egress(unit: Unit, gateway: int) -> tuple[int, ...] | None:
    """Our own agents reach the gateway by its socket, programs by its port."""
    if unit.egress is None:
        return None
    ports = set(unit.egress)
    if unit.runtime is Runtime.COMMAND:
        ports.add(gateway)
    return tuple(sorted(ports))
