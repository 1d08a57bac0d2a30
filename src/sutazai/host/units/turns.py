"""Whose turn it is to start: ten instances at once, in a stated order. Pure: the time comes in.

A machine that starts hundreds of programs at the same moment starts none of them in time. So at
most ten instances are starting at any moment, from the start of their process to their first good
check (or to their end, which their grace bounds); fewer while many end badly (``pacing``). The
house itself, which all others need, starts at once. Who waits gets the next turn in this order:

1. what somebody called for;
2. services, then agents;
3. of these what is critical, then the rest by priority;
4. what has not ended in a row, so that a crash loop keeps nobody waiting;
5. who waits longest.

Every tenth turn goes to who waits longest of all, so that nobody waits for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

from sutazai.fleet.declared import Priority
from sutazai.fleet.desired import Kind, Standing
from sutazai.host.units.pacing import Pace

AT_ONCE = 10
"""Most instances that are starting at any moment."""
OUT_OF_TURN = f"its turn: {AT_ONCE} start at once, fewer while many end badly"
"""What a unit waits for that may not start yet."""
LONGEST_WAITING = 10
"""One of so many turns goes to who waits longest."""

_KINDS = (Kind.SERVICE, Kind.AGENT)
_PRIORITIES = (Priority.HIGH, Priority.MEDIUM, Priority.LOW)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What one unit has and wants.

    Args:
        called: whether somebody called for it.
        ends: how often in a row it ended.
        starting: its instances that are starting.
        missing: those that it would start now, were it its turn.
    """

    unit: str
    kind: Kind
    standing: Standing = Standing.ORDINARY
    priority: Priority = Priority.MEDIUM
    called: bool = False
    ends: int = 0
    starting: int = 0
    missing: int = 0

    @property
    def waits(self) -> bool:
        """Whether it needs a turn; what belongs to the house does not."""
        return self.kind is not Kind.PLANE and self.standing is not Standing.PROTECTED

    @property
    def rank(self) -> _Rank:
        """Its place among those that wait: the lowest comes first."""
        return (
            not self.called,
            _KINDS.index(self.kind),
            self.standing is Standing.ORDINARY,
            _PRIORITIES.index(self.priority),
            self.ends,
        )


_Rank = tuple[bool, int, bool, int, int]


class Turns:
    """Hands out turns. Each is for one start; it is free again when that is no longer starting."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._starting: dict[str, int] = {}
        self._given: dict[str, int] = {}
        self._waiting: dict[str, tuple[_Rank, int, str, int]] = {}  # who waits longest first
        self._arrivals = count()
        self._handed_out = 0

    def claim(self, claim: Claim) -> int:
        """Takes note of a unit as it is now; how many instances it starts now.

        These count as starting until the unit's next claim says what became of them.
        """
        if not claim.waits:
            return claim.missing
        unit = claim.unit
        given = min(self._given.pop(unit, 0), claim.missing)
        if starting := claim.starting + given:
            self._starting[unit] = starting
        else:
            self._starting.pop(unit, None)
        before = self._waiting.get(unit)
        if (more := claim.missing - given) == 0:
            self._waiting.pop(unit, None)
        else:
            arrival = before[1] if before else next(self._arrivals)
            self._waiting[unit] = (claim.rank, arrival, unit, more)
        return given

    @property
    def due_at(self) -> float | None:
        """From when on `give` has something to hand out; None where nobody waits, or first a start
        has to be well or to end."""
        starting = sum(self._starting.values()) + sum(self._given.values())
        if not self._waiting or starting >= AT_ONCE:
            return None
        return self._pace.start_at(starting)

    def give(self, now: float) -> set[str]:
        """Hands out all turns that are free at ``now``; the units that got any."""
        lucky = set()
        while (at := self.due_at) is not None and at <= now:
            self._handed_out += 1
            rank, _, unit, more = self._next()
            del self._waiting[unit]
            if more > 1:
                self._waiting[unit] = (rank, next(self._arrivals), unit, more - 1)
            self._given[unit] = self._given.get(unit, 0) + 1
            lucky.add(unit)
        return lucky

    def _next(self) -> tuple[_Rank, int, str, int]:
        if self._handed_out % LONGEST_WAITING == 0:
            return next(iter(self._waiting.values()))
        return min(self._waiting.values())
