"""Accepted versions of the fleet, and what lies between two of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from pydantic import Field

from sutazai.fleet.desired import Kind
from sutazai.fleet.shapes import Shape

UNITS = {"agents": Kind.AGENT, "services": Kind.SERVICE}
"""Where a fleet file declares units, and of which kind they are."""


class RevisionInfo(Shape):
    """One accepted version of the fleet; ``at`` is in seconds since 1970, ``file`` where it was
    read, None for the built-in fleet."""

    number: int
    fleet: str
    author: str
    at: float
    reason: str
    file: str | None = None


class Revision(RevisionInfo):
    """The same with what it declares. ``codes`` are digests of the agents' code, by agent."""

    spec: dict[str, Any] = Field(description="The fleet file, catalogue merged in.")
    codes: dict[str, str] = Field(default_factory=dict)


class Restoration(Shape):
    """That an earlier revision is to be the next one.

    Args:
        now: moves every changed agent at once, without a rollout.
        dry_run: only says what would be done.
    """

    author: str = ""
    reason: str = ""
    now: bool = False
    dry_run: bool = False


class Application(Restoration):
    """That a fleet is to be the next revision; it is told as `Revision` has it."""

    fleet: dict[str, Any]
    codes: dict[str, str] = Field(default_factory=dict)
    file: str | None = None


class Effect(StrEnum):
    """What becomes of a unit between two revisions."""

    ADDED = "added"
    REMOVED = "removed"
    MOVED = "moved"  # its instances are replaced: what makes them changed
    ADJUSTED = "adjusted"  # it takes the change on while it runs


class FieldChange(Shape):
    """One value that differs; ``path`` in dots, None where one side has none."""

    path: str
    before: Any = None
    after: Any = None


class UnitChange(Shape):
    """One unit that differs."""

    name: str
    kind: Kind
    effect: Effect
    fields: tuple[FieldChange, ...] = ()


class Difference(Shape):
    """What lies between two revisions; ``settings`` belong to no unit."""

    before: int
    after: int
    units: tuple[UnitChange, ...] = ()
    settings: tuple[FieldChange, ...] = ()

    @property
    def moved(self) -> tuple[str, ...]:
        """The agents whose instances are replaced."""
        return tuple(
            unit.name
            for unit in self.units
            if unit.kind is Kind.AGENT and unit.effect is Effect.MOVED
        )


class FleetPlan(Shape):
    """What accepting a fleet does.

    Args:
        revision: the number it has, or would have; that of the present one where nothing differs.
        rollout: the number of the rollout that moves the agents; None where none is needed.
        beside: bytes of memory that new instances may take beside the old ones at most.
        accepted: False where it was only asked for.
    """

    revision: int
    difference: Difference
    rollout: int | None = None
    beside: int = 0
    accepted: bool = False


def difference_of(
    before: Revision, after: Revision, versions: tuple[Mapping[str, str], Mapping[str, str]]
) -> Difference:
    """What lies between two revisions.

    Args:
        versions: for both, the digest of what makes an instance of each unit.
    """
    old, new = dict(before.spec), dict(after.spec)
    units: list[UnitChange] = []
    for field, kind in UNITS.items():
        units += _units(kind, old.pop(field, {}), new.pop(field, {}), versions)
    settings = tuple(_fields(old, new))
    return Difference(
        before=before.number, after=after.number, units=tuple(units), settings=settings
    )


def _units(
    kind: Kind,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    versions: tuple[Mapping[str, str], Mapping[str, str]],
) -> Iterator[UnitChange]:
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            yield UnitChange(name=name, kind=kind, effect=Effect.ADDED)
        elif name not in new:
            yield UnitChange(name=name, kind=kind, effect=Effect.REMOVED)
        else:
            yield from _changed(name, kind, (old[name], new[name]), versions)


def _changed(
    name: str,
    kind: Kind,
    sides: tuple[Any, Any],
    versions: tuple[Mapping[str, str], Mapping[str, str]],
) -> Iterator[UnitChange]:
    fields = tuple(_fields(*sides))
    moved = versions[0].get(name) != versions[1].get(name)
    if moved and not fields:
        fields = (FieldChange(path="code"),)
    if fields:
        effect = Effect.MOVED if moved else Effect.ADJUSTED
        yield UnitChange(name=name, kind=kind, effect=effect, fields=fields)


def _fields(old: Any, new: Any, path: str = "") -> Iterator[FieldChange]:
    """Every value that differs, mappings gone through."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        if old != new:
            yield FieldChange(path=path, before=old, after=new)
        return
    for key in sorted(old.keys() | new.keys()):
        yield from _fields(old.get(key), new.get(key), f"{path}.{key}" if path else key)
