"""Who may start an instance now, and who waits, in which order. Pure: the time comes in.

Hot units come before those that were called, and among both the higher priority first; who waits
is lifted by one step a minute, so that nobody waits for ever. A smaller one may start before a
larger one that does not fit yet, for a few seconds; then what becomes free is kept for who is
first, unless it could never have enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sutazai.fleet.declared import Priority
from sutazai.host.admission.ledger import Ledger
from sutazai.host.admission.room import Resource, Room, Share, Shortage

OVERTAKEN_FOR = 5.0
"""Seconds for which others may start before one that waits."""
STEP = 60.0
"""Seconds of waiting that count as one step of rank."""
FAR = 1 << 62
"""The first of the seats by which `Line.ready` tries who would fit."""

_PRIORITIES = (Priority.HIGH, Priority.MEDIUM, Priority.LOW)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A unit would start one instance.

    Args:
        hot: whether it always runs.
        share: what the instance will hold, beyond what is given back for it.
    """

    unit: str
    share: Share
    hot: bool = False
    priority: Priority = Priority.MEDIUM

    @property
    def rank(self) -> int:
        """Its place in the order: the lowest comes first."""
        return _PRIORITIES.index(self.priority) + (0 if self.hot else len(_PRIORITIES))


@dataclass(frozen=True)
class _Waiting:
    wish: Wish
    since: float
    shortages: tuple[Shortage, ...] = field(default=())

    def order(self, now: float) -> tuple[float, float]:
        return self.wish.rank - (now - self.since) / STEP, self.since

    @property
    def is_hopeless(self) -> bool:
        return any(each.is_lasting for each in self.shortages)


class Line:
    """All that wait for room, and the account of what is held.

    Attributes:
        ledger: what is held; whoever starts puts its share there.
    """

    def __init__(self, room: Room | None = None) -> None:
        self.ledger = Ledger(room)
        self._waiting: dict[str, _Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def ask(self, wish: Wish, now: float) -> tuple[Shortage, ...]:
        """Nothing where it may start; else what is short, and from now on it waits."""
        before = self._waiting.get(wish.unit)
        mine = _Waiting(wish, before.since if before else now)
        shortages = tuple(self.ledger.shortages(wish.share)) or self._kept_from(mine, now)
        if shortages:
            self._waiting[wish.unit] = _Waiting(wish, mine.since, shortages)
        else:
            self.leave(wish.unit)
        return shortages

    def leave(self, unit: str) -> bool:
        """It does not wait any more; whether it did."""
        return self._waiting.pop(unit, None) is not None

    def ready(self, now: float) -> list[str]:
        """Who waits and would fit now, one beside the other, in their order."""
        found, seats = [], []
        for number, one in enumerate(self._in_order(now), start=FAR):
            if any(self.ledger.shortages(one.wish.share)):
                continue
            self.ledger.put(number, one.wish.share)
            seats.append(number)
            found.append(one.wish.unit)
        for number in seats:
            self.ledger.remove(number)
        return found

    def _in_order(self, now: float) -> list[_Waiting]:
        return sorted(self._waiting.values(), key=lambda one: one.order(now))

    def _kept_from(self, mine: _Waiting, now: float) -> tuple[Shortage, ...]:
        """What fits, but is kept for somebody before it: the shortages of that one."""
        for other in self._waiting.values():
            first = other.wish.unit != mine.wish.unit and other.order(now) < mine.order(now)
            if not first or other.is_hopeless or now < other.since + OVERTAKEN_FOR:
                continue
            if kept := tuple(_of_both(other.shortages, mine.wish.share)):
                return kept
        return ()


def _of_both(shortages: tuple[Shortage, ...], share: Share) -> Iterator[Shortage]:
    """What is short for one, and would be taken by another with that share."""
    takes = {
        Resource.MEMORY: share.memory,
        Resource.POOL: share.memory,
        Resource.CORES: share.cores,
        Resource.GPU: share.gpu,
    }
    for each in shortages:
        elsewhere = each.resource is Resource.POOL and each.pool is not share.pool
        if takes[each.resource] and not elsewhere:
            yield each
