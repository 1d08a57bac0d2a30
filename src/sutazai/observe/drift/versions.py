"""What the host runs, against what was planned."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

from sutazai.fleet.drift import DriftKind, HostHeld, InstanceHeld
from sutazai.observe.drift.facts import Fact, Look

NONE = "none"


def version_look(wanted: Mapping[str, str], held: HostHeld) -> Look:
    """Facts on what the host was told otherwise, and on every instance; ``wanted`` is the version
    of each unit that was planned."""
    units = wanted.keys() | held.told.keys()
    facts = [
        _fact(name, "what the host was told", wanted.get(name, NONE), held.told.get(name, NONE))
        for name in sorted(units)
        if wanted.get(name) != held.told.get(name)
    ]
    same = len(units) - len(facts)
    for unit, instances in _by_unit(held, wanted).items():
        expected = wanted.get(unit, NONE)
        facts += [
            _fact(unit, "what runs", expected, one.version, one.instance)
            for one in _judged(instances, expected)
        ]
    return Look(tuple(facts), same=same)


def _by_unit(held: HostHeld, wanted: Collection[str]) -> dict[str, list[InstanceHeld]]:
    """The instances that are judged; planes that nobody planned are the house's own."""
    found = defaultdict(list)
    for one in held.instances:
        if one.unit in wanted or not one.plane:
            found[one.unit].append(one)
    return found


def _judged(instances: Collection[InstanceHeld], expected: str) -> list[InstanceHeld]:
    """All but old ones whose successor is starting."""
    coming = any(one.version == expected and one.starting for one in instances)
    return [one for one in instances if one.version == expected or not coming]


def _fact(unit: str, what: str, expected: str, seen: str, instance: str = "") -> Fact:
    return Fact(
        kind=DriftKind.VERSION,
        unit=unit,
        what=what,
        expected=expected,
        seen=seen,
        instance=instance,
    )
