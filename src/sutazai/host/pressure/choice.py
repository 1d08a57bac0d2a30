"""Who is ended when memory is short, and in which order. Pure.

The lowest priority goes first, always; what is critical goes after everything else. Among equals
the idle are ended by size, so that few are, and the killed by growth, which finds the culprit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sutazai.fleet.declared import Priority
from sutazai.fleet.desired import Standing
from sutazai.fleet.status import Level

AT_ONCE = 10
"""Most instances that are ended in one step."""
IDLE_FOR = 2.0
"""Seconds without work after which an instance counts as idle: shorter gaps lie between the turns
of one conversation."""
_RANK = {Priority.LOW: 0, Priority.MEDIUM: 1, Priority.HIGH: 2}


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One running instance as the policy sees it.

    Args:
        hot: whether its unit runs always, where memory allows.
        memory: bytes that it holds, 0 where nobody has measured.
        growth: bytes a second that it grew by lately; negative where it shrinks.
        idle: seconds since its last work ended, 0 while it works, None where nobody can tell.
        serves: the highest priority of the tasks that wait for it, None where none is known.
        ending: whether it was told to end already.
    """

    instance: str
    unit: str
    priority: Priority = Priority.MEDIUM
    standing: Standing = Standing.ORDINARY
    hot: bool = True
    memory: int = 0
    growth: float = 0.0
    idle: float | None = None
    serves: Priority | None = None
    ending: bool = False

    @property
    def needed(self) -> bool:
        """Whether a running task of a higher priority than its own waits for it."""
        return self.serves is not None and _RANK[self.serves] > _RANK[self.priority]

    @property
    def rank(self) -> tuple[bool, int]:
        """Its place in the order: the lowest goes first."""
        return rank(self.standing, self.priority)


def rank(standing: Standing, priority: Priority) -> tuple[bool, int]:
    """The place of a unit in the order in which memory is taken away, and given back reversed."""
    return standing is not Standing.ORDINARY, _RANK[priority]


def highest(priorities: Iterable[Priority]) -> Priority | None:
    """The highest of them, None of none."""
    return max(priorities, key=_RANK.__getitem__, default=None)


def in_order(level: Level, candidates: Iterable[Candidate]) -> list[Candidate]:
    """All that may be ended at ``level``, the first to go first."""
    order = _killing if level is Level.EMERGENCY else _sleeping
    return sorted((one for one in candidates if may_end(level, one)), key=order)


def may_end(level: Level, one: Candidate) -> bool:
    """Whether it may be ended at ``level``."""
    allowed = _may_be_killed(one) if level is Level.EMERGENCY else _may_sleep(one, level)
    return allowed and not one.ending


def enough(
    ordered: Sequence[Candidate], shortage: int, *, most: int = AT_ONCE
) -> tuple[Candidate, ...]:
    """The first ones that hold ``shortage`` bytes together; ``most`` at most, one at least."""
    chosen: list[Candidate] = []
    for one in ordered[:most]:
        if shortage <= 0 and chosen:
            break
        chosen.append(one)
        shortage -= one.memory
    return tuple(chosen)


def _may_sleep(one: Candidate, level: Level) -> bool:
    idle = one.idle is not None and one.idle >= IDLE_FOR
    allowed = level is Level.CRITICAL or (level is Level.WARNING and not one.hot)
    return idle and allowed and one.standing is Standing.ORDINARY and one.serves is None


def _may_be_killed(one: Candidate) -> bool:
    return one.standing is not Standing.PROTECTED and not one.needed


_Order = tuple[tuple[bool, int], float, int, str]


def _sleeping(one: Candidate) -> _Order:
    return one.rank, one.hot, -one.memory, one.instance


def _killing(one: Candidate) -> _Order:
    return one.rank, -one.growth, -one.memory, one.instance
