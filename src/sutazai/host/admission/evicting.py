"""Which idle units sleep to make room for one that is called. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sutazai.fleet.declared import Priority
from sutazai.host.admission.room import Resource, Share, Shortage

IDLE_FOR = 10.0
"""Seconds without work from which a unit may be sent to sleep: that long an agent thinks."""

_LOWEST_FIRST = (Priority.LOW, Priority.MEDIUM, Priority.HIGH)


@dataclass(frozen=True, kw_only=True)
class Sleeper:
    """An awake unit that is not hot.

    Args:
        shares: what its instances hold.
        idle: seconds without work; None where it has some, or nobody can tell.
        leaving: whether its instances end already.
    """

    unit: str
    priority: Priority
    shares: tuple[Share, ...]
    idle: float | None
    leaving: bool = False


def to_sleep(
    priority: Priority, shortages: Sequence[Shortage], sleepers: Iterable[Sleeper]
) -> tuple[Sleeper, ...]:
    """Who is to sleep for a unit of that priority: as few as make up for all that is short.

    The lowest priority goes first, then who is idle longest; nobody of a higher priority than the
    caller's. Nobody at all where all of them would not do.
    """
    asleep: list[Sleeper] = []
    known = tuple(sleepers)
    going = [one for one in known if one.leaving]
    able = [one for one in known if not one.leaving and _may(one, priority)]
    able.sort(key=lambda one: (_LOWEST_FIRST.index(one.priority), -(one.idle or 0.0)))
    for shortage in shortages:
        missing = shortage.wanted - shortage.free - _given(shortage, [*going, *asleep])
        for one in [one for one in able if one not in asleep]:
            if missing <= 0:
                break
            if gives := _given(shortage, [one]):
                asleep.append(one)
                missing -= gives
        if missing > 0:
            return ()
    return tuple(asleep)


def _may(one: Sleeper, priority: Priority) -> bool:
    lower = _LOWEST_FIRST.index(one.priority) <= _LOWEST_FIRST.index(priority)
    return lower and one.idle is not None and one.idle >= IDLE_FOR


def _given(shortage: Shortage, sleepers: Iterable[Sleeper]) -> float:
    """What they hold of what is short."""
    return sum(_of(shortage, share) for one in sleepers for share in one.shares)


def _of(shortage: Shortage, share: Share) -> float:
    if shortage.resource is Resource.CORES:
        return share.cores
    if shortage.resource is Resource.GPU:
        return share.gpu
    elsewhere = shortage.resource is Resource.POOL and shortage.pool is not share.pool
    return 0 if elsewhere else share.memory
