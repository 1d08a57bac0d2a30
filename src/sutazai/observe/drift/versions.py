"""What the host runs, against what was planned."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sutazai.fleet.desired import DesiredUnit, Kind
from sutazai.fleet.drift import DriftKind
from sutazai.fleet.status import InstanceStatus, State, UnitStatus
from sutazai.observe.drift.facts import Fact, Look

NONE = "none"
LEAVING = (State.STOPPING, State.FROZEN)
"""Instances that end soon, or that are judged once they go on."""


def version_look(planned: Iterable[DesiredUnit], seen: Iterable[UnitStatus]) -> Look:
    """Facts on every unit that was planned or is there, and on each of its instances."""
    wanted = {unit.name: unit.version for unit in planned}
    there = {unit.name: unit for unit in seen if unit.name in wanted or unit.kind is not Kind.PLANE}
    facts: list[Fact] = []
    for name in sorted(wanted.keys() | there.keys()):
        facts += _facts(name, wanted.get(name, NONE), there.get(name))
    return Look(tuple(facts))


def _facts(name: str, expected: str, unit: UnitStatus | None) -> Iterator[Fact]:
    seen = NONE if unit is None else unit.version
    yield _fact(name, "what the host was told", expected, seen)
    for one in _judged(unit, expected) if unit is not None else ():
        yield _fact(name, "what runs", expected, one.version, one.instance)


def _judged(unit: UnitStatus, expected: str) -> list[InstanceStatus]:
    """All that run, but for old ones whose successor is starting."""
    running = [one for one in unit.instances if one.state not in LEAVING and not one.attached]
    coming = any(one.version == expected and one.state is State.STARTING for one in running)
    return [one for one in running if one.version == expected or not coming]


def _fact(unit: str, what: str, expected: str, seen: str, instance: str = "") -> Fact:
    return Fact(
        kind=DriftKind.VERSION,
        unit=unit,
        what=what,
        expected=expected,
        seen=seen,
        instance=instance,
    )
