"""What to do about memory now: what is seen goes in, decisions come out. Pure.

It looks again and again; each look may change the level, end some instances or give some back:

1. At warning idle instances of warm and cold units end, at critical those of hot units too, at
   emergency instances are killed: as many as hold what is too much, ten at most.
2. After each step it waits to see what that did. A higher level does not wait for a lower one's.
3. Where nothing is left to end for as long as a step takes, it says so, once a level.
4. Once it was normal for a while, what was ended is given back, the highest first, ten at a time.
   What nobody can wake by a call (a service) is given back at warning already. Where memory runs
   short again soon after, it waits twice as long the next time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sutazai.fleet.declared import Priority
from sutazai.fleet.desired import DesiredUnit, Standing
from sutazai.fleet.status import Level
from sutazai.host.pressure.choice import AT_ONCE, Candidate, enough, in_order, rank
from sutazai.host.pressure.levels import LEVELS, Reading, level_of, shortage
from sutazai.host.pressure.starts import is_held

DELAY = 5.0
"""Seconds from one step to the next; longer than an agent has to hear of its end."""
CALM = 30.0
"""Seconds without a change of level after which something is given back."""
CALM_MAX = 960.0
RELIEF = 300.0
"""Seconds in which nothing is given back after somebody asked for memory."""
SOON = 300.0
"""Seconds after a giving back within which a shortage is blamed on it."""


@dataclass(frozen=True, kw_only=True)
class Withheld:
    """A unit that runs fewer instances than it should. ``wakes`` tells whether calls wake it."""

    unit: str
    priority: Priority = Priority.MEDIUM
    standing: Standing = Standing.ORDINARY
    wakes: bool = True


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One look; ``now`` in seconds of a monotonic clock."""

    now: float
    reading: Reading
    candidates: tuple[Candidate, ...] = ()
    withheld: tuple[Withheld, ...] = ()


@dataclass(frozen=True)
class Changed:
    """The level is another one."""

    before: Level
    after: Level


@dataclass(frozen=True)
class End:
    """These instances are to end because of ``level``; ``shortage`` bytes are too much in use.

    At emergency they are killed, else they end as soon as they have nothing in hand. ``asked`` says
    that somebody asked for it, however much memory there is.
    """

    level: Level
    shortage: int
    chosen: tuple[Candidate, ...]
    asked: bool = False


@dataclass(frozen=True)
class Stuck:
    """``shortage`` bytes are too much in use, and nothing is left that may be ended."""

    level: Level
    shortage: int


@dataclass(frozen=True)
class GiveBack:
    """These units may run as many instances as they should."""

    units: tuple[str, ...]


Decision = Changed | End | Stuck | GiveBack


class Policy:
    """Decides for one machine.

    Args:
        calm: seconds without a change of level after which something is given back.

    Attributes:
        level: where it stood at the last look.
        reading: what was seen then, None before the first.
    """

    def __init__(self, *, calm: float = CALM) -> None:
        self.level = Level.NORMAL
        self.reading: Reading | None = None
        self._acted_at = Level.NORMAL
        self._not_before = float("-inf")
        self._is_stuck = False
        self._since = float("-inf")
        self._calm = self._least_calm = calm
        self._gave_back_at: float | None = None
        self._relieved_until = float("-inf")

    def decide(self, seen: Observation) -> list[Decision]:
        """What to do now; to be asked again about once a second."""
        before, self.reading = self.level, seen.reading
        self.level = level_of(seen.reading, before)
        changed: list[Decision] = []
        if self.level is not before:
            self._is_stuck, self._since = False, seen.now
            changed.append(Changed(before, self.level))
        if self._waits(seen.now):
            return changed
        return [*changed, *self._give_back(seen), *self._end(seen)]

    def relieved(self, now: float) -> None:
        """Somebody asked for memory: what was ended for that is not given back at once."""
        self._relieved_until = now + RELIEF

    def held(self, unit: DesiredUnit, asked: bool) -> str:
        """What ``unit`` has to wait for before it may start an instance; empty where it may.

        Args:
            asked: whether somebody called for it.
        """
        if self.reading is None or not is_held(unit, self.level, asked=asked):
            return ""
        return f"memory ({self.level}: {self.reading})"

    def _waits(self, now: float) -> bool:
        rose = LEVELS.index(self.level) > LEVELS.index(self._acted_at)
        return now < self._not_before and not rose

    def _give_back(self, seen: Observation) -> Iterable[Decision]:
        if seen.now < max(self._since + self._calm, self._relieved_until):
            return
        levels = {True: (Level.NORMAL,), False: (Level.NORMAL, Level.WARNING)}
        ready = [one for one in seen.withheld if self.level in levels[one.wakes]]
        ready.sort(key=lambda one: rank(one.standing, one.priority), reverse=True)
        if ready:
            self._step(seen.now)
            self._gave_back_at = seen.now
            yield GiveBack(tuple(one.unit for one in ready[:AT_ONCE]))

    def _end(self, seen: Observation) -> Iterable[Decision]:
        if self.level is Level.NORMAL:
            return
        leaving = sum(one.memory for one in seen.candidates if one.ending)
        too_much = shortage(seen.reading, self.level) - leaving
        ordered = in_order(self.level, seen.candidates)
        if ordered and too_much > 0:
            self._step(seen.now)
            self._learn(seen.now)
            yield End(self.level, too_much, enough(ordered, too_much))
        elif too_much > 0 and not self._is_stuck and seen.now >= self._since + DELAY:
            self._is_stuck = True
            yield Stuck(self.level, too_much)

    def _learn(self, now: float) -> None:
        """What was given back too early is given back later the next time."""
        if self._gave_back_at is not None:
            soon = now < self._gave_back_at + SOON
            self._calm = min(CALM_MAX, 2 * self._calm) if soon else self._least_calm
            self._gave_back_at = None

    def _step(self, now: float) -> None:
        self._acted_at = self.level
        self._not_before = now + DELAY
