"""What is likely to come: positions in the queue, times of starts, entries that come too late."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heapreplace
from itertools import count as counting

from sutazai.gateway.queue.entries import Position, Row
from sutazai.gateway.queue.fairness import Account, Turns
from sutazai.gateway.queue.forecast import Forecast
from sutazai.gateway.queue.lanes import Lanes
from sutazai.gateway.queue.rates import Rates
from sutazai.gateway.queue.room import Room
from sutazai.gateway.queue.waiting import Line, Ticket


class Estimates:
    """Looks ahead, by turns and measured means; ageing, affinity and newcomers are left out.

    Entries for other targets count by the share of their slots that could be one's own.
    """

    def __init__(self, room: Room, lanes: Lanes, turns: tuple[Turns, ...], rates: Rates) -> None:
        self._room = room
        self._lanes = lanes
        self._turns = turns
        self._rates = rates
        self._forecasts: dict[tuple[str, int], Forecast] = {}
        self.paused = False

    def forget(self) -> None:
        """Backends have changed, or what is held."""
        self._forecasts.clear()

    def position(self, now: float, waiting: Ticket) -> Position:
        """How things stand for an entry that waits."""
        own = self._room.crowds[waiting.level].before(waiting)
        return self._position(now, waiting, own, waits=True)

    def newcomers(self, now: float, waiting: Ticket) -> Position:
        """How things would stand for an entry that does not wait yet."""
        return self._position(now, waiting, waiting.account.waiting, waits=False)

    def too_late(self, now: float, waiting: Ticket) -> Position | None:
        """The position of a newcomer that cannot start before its deadline; None for others, and
        where nothing was measured."""
        entry = waiting.entry
        slots, left = self._lanes.slots(entry.target), entry.deadline - now
        if not slots or len(self._room) * self._rates.longest <= left * slots:
            return None
        position = self.newcomers(now, waiting)
        mean = self._rates.of(entry.target)
        if position.eta is None or mean is None or position.eta - mean / slots <= left:
            return None
        return position

    def rows(self, now: float, most: int) -> list[Row]:
        """The next ``most`` entries in the order in which they are likely to start."""
        rows: list[Row] = []
        for level in range(len(self._room.crowds)):
            if len(rows) >= most:
                break
            for waiting, own in self._in_order(now, level):
                rows.append(self._row(now, waiting, own))
                if len(rows) >= most:
                    break
        return rows

    def _position(self, now: float, waiting: Ticket, own: int, *, waits: bool) -> Position:
        target, level, account = waiting.entry.target, waiting.level, waiting.account
        ahead = seconds = 0.0
        for line, share in self._rivals(target):
            count = share * sum(map(len, line.levels[:level]))
            ahead += count
            seconds += count * (self._rates.of(line.want.target) or 0.0)
        forecast = self._forecast(now, target, level)
        alike = forecast.ahead(account.tag, account.order, own, waits=waits)
        number = min(round(ahead + alike), len(self._room) - waits)
        slots, mean = self._lanes.slots(target), self._rates.of(target)
        if not slots or mean is None or (self.paused and waiting.entry.agent):
            return Position(number, None)
        seconds += alike * forecast.mean + mean
        return Position(number, seconds / slots)

    def _rivals(self, target: str) -> Iterator[tuple[Line, float]]:
        """Lines from which entries may start where ``target`` is served, with their shares."""
        rivals = self._lanes.rivals(target)
        for line in self._room.lines.values():
            want = line.want
            if want.target in rivals and not (self.paused and want.agent):
                yield line, rivals[want.target]

    def _forecast(self, now: float, target: str, level: int) -> Forecast:
        changes = self._room.crowds[level].changes
        found = self._forecasts.get((target, level))
        if found is None or not found.is_fresh(changes):
            found = self._forecasts[target, level] = self._make(now, target, level, changes)
        return found

    def _make(self, now: float, target: str, level: int, changes: int) -> Forecast:
        waiting: dict[Account, float] = {}
        entries = seconds = 0.0
        for line, share in self._rivals(target):
            queue = line.levels[level]
            entries += len(queue) * share
            seconds += len(queue) * share * (self._rates.of(line.want.target) or 0.0)
            for account, count in queue.accounts():
                waiting[account] = waiting.get(account, 0.0) + count * share
        mean = seconds / entries if entries else 0.0
        return Forecast(waiting, cost=self._cost(now, level), mean=mean, changes=changes)

    def _cost(self, now: float, level: int) -> float:
        """What an entry adds to its client's tag."""
        return (self._rates.cost or 1.0) * self._turns[level].weight(now)

    def _in_order(self, now: float, level: int) -> Iterator[tuple[Ticket, int]]:
        """Entries by turns, each with how many of its client's are ahead of it."""
        cost = self._cost(now, level)
        heap = [
            (account.tag, account.order, iter(entries), counting())
            for account, entries in self._room.crowds[level].by_client()
        ]
        heapify(heap)
        while heap:
            tag, order, entries, numbers = heap[0]
            waiting = next(entries, None)
            if waiting is None:
                heappop(heap)
                continue
            heapreplace(heap, (tag + cost, order, entries, numbers))
            yield waiting, next(numbers)

    def _row(self, now: float, waiting: Ticket, own: int) -> Row:
        entry = waiting.entry
        return Row(
            id=entry.id,
            client=entry.client,
            priority=entry.priority,
            target=entry.target,
            waited=now - waiting.arrived,
            position=self._position(now, waiting, own, waits=True),
        )
