"""One thing that was looked at: what it should be, and what it is."""

from __future__ import annotations

from dataclasses import dataclass

from sutazai.fleet.drift import DriftKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Both sides are texts for people; where they differ, it drifts. See `DriftFinding`."""

    kind: DriftKind
    unit: str
    what: str
    expected: str
    seen: str
    instance: str = ""

    @property
    def drifts(self) -> bool:
        return self.expected != self.seen


@dataclass(frozen=True)
class Look:
    """One kind at a moment: facts, how many more of them hold (``same``), and what could not be
    looked at, in sentences."""

    facts: tuple[Fact, ...] = ()
    same: int = 0
    unchecked: tuple[str, ...] = ()
