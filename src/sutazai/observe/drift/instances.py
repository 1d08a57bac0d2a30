"""What instances run under, limits and environment, against what is declared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from sutazai.fleet.desired import DesiredUnit
from sutazai.fleet.drift import DriftKind, HostHeld, InstanceHeld
from sutazai.fleet.units import format_size
from sutazai.host.limits import limit_of
from sutazai.observe.drift.facts import Fact, Look

UNBOUNDED = "no limit"
DECLARED = "as declared"
PAGE = 4096
"""Bytes that the kernel counts in."""
HUNDREDTH = 100
"""Cores are compared by the hundredth: a quota is a whole number of microseconds."""


def limits_look(planned: Iterable[DesiredUnit], held: HostHeld) -> Look:
    """Facts on memory and, where the machine can hold to them, cores."""
    units = {unit.name: unit for unit in planned}
    facts: list[Fact] = []
    outside = 0
    for one in held.instances:
        if one.unit not in units:
            continue
        if one.grouped:
            facts += _limits(units[one.unit], one, cores=held.caps_cpu)
        else:
            outside += 1
    return Look(tuple(facts), unchecked=_said(outside, "in no control group of their own"))


def environment_look(held: Sequence[InstanceHeld]) -> Look:
    """A fact for each variable that could be compared."""
    facts = tuple(
        _fact(DriftKind.ENVIRONMENT, one, name, DECLARED, how)
        for one in held
        for name, how in sorted(one.differing.items())
    )
    reasons = Counter(one.why for one in held if one.why)
    return Look(
        facts,
        same=sum(one.variables for one in held) - len(facts),
        unchecked=tuple(
            f"environment of {_counted(n)}: {why}" for why, n in sorted(reasons.items())
        ),
    )


def _limits(unit: DesiredUnit, one: InstanceHeld, *, cores: bool) -> Iterator[Fact]:
    limit = limit_of(unit)
    yield _fact(DriftKind.LIMITS, one, "memory", *_sizes(limit.memory, one.memory))
    if cores:
        yield _fact(DriftKind.LIMITS, one, "cpu", _cores(limit.cores), _cores(one.cores))


def _sizes(declared: int | None, held: int | None) -> tuple[str, str]:
    """Both in words, which differ where the pages do: a size in short is rounded."""
    if _pages(declared) == _pages(held):
        return _size(declared), _size(declared)
    if _size(declared) == _size(held):
        return f"{declared} bytes", f"{held} bytes"
    return _size(declared), _size(held)


def _pages(size: int | None) -> int | None:
    return None if size is None else size // PAGE


def _size(size: int | None) -> str:
    return UNBOUNDED if size is None else format_size(size)


def _cores(cores: float | None) -> str:
    return UNBOUNDED if cores is None else f"{round(cores * HUNDREDTH) / HUNDREDTH:g} cores"


def _said(count: int, why: str) -> tuple[str, ...]:
    return (f"limits of {_counted(count)}: {why}",) if count else ()


def _counted(count: int) -> str:
    return "1 instance" if count == 1 else f"{count} instances"


def _fact(kind: DriftKind, one: InstanceHeld, what: str, expected: str, seen: str) -> Fact:
    return Fact(
        kind=kind, unit=one.unit, instance=one.instance, what=what, expected=expected, seen=seen
    )
