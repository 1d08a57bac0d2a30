"""The waiting room: all that waits, its bounds, and who has to go where they are reached."""

from __future__ import annotations

from collections.abc import Container, Iterable

from sutazai.fleet.serving import Overflow
from sutazai.gateway.queue.crowds import Crowd
from sutazai.gateway.queue.entries import LEVELS, Entry, Limits
from sutazai.gateway.queue.waiting import Deadlines, Line, Ticket, Want


class Room:
    """All that waits, in lines."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.entries: dict[str, Ticket] = {}
        self.lines: dict[Want, Line] = {}  # only of wants for which something waits
        self.crowds = tuple(Crowd() for _ in LEVELS)
        self._deadlines = Deadlines()

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return sum(crowd.size for crowd in self.crowds)

    def add(
        self, waiting: Ticket, want: Want, unserved: float | None, *, front: bool = False
    ) -> None:
        """Lets an entry in; ``unserved`` is since when nothing serves it."""
        entry, line = waiting.entry, self.lines.get(want)
        if line is None:
            line = self.lines[want] = Line(want, unserved)
        waiting.line = line
        self.entries[entry.id] = waiting
        line.levels[waiting.level].push(waiting, front=front)
        self.crowds[waiting.level].add(waiting, front=front)
        self._deadlines.add(entry)

    def remove(self, key: str) -> Ticket:
        """Lets an entry out; it must be there."""
        waiting = self.entries.pop(key)
        line = waiting.line
        line.levels[waiting.level].remove(waiting)
        if not line:
            del self.lines[line.want]
        self.crowds[waiting.level].remove(waiting)
        self._deadlines.tidy(self.entries)
        return waiting

    def least(self, level: int, targets: Container[str]) -> Ticket | None:
        """Whose turn it is at ``level`` among all that wait for ``targets``."""
        lines = (line for line in self.lines.values() if line.want.target in targets)
        return first_in_turn(lines, level)

    def oldest_arrival(self) -> float | None:
        return min((line.oldest_arrival() for line in self.lines.values()), default=None)

    def next_deadline(self) -> float | None:
        first = self._deadlines.first(self.entries)
        return None if first is None else first[0]

    def remove_expired(self, now: float) -> list[Ticket]:
        """Lets those out whose deadline has come."""
        expired = []
        while (first := self._deadlines.first(self.entries)) and first[0] <= now:
            expired.append(self.remove(first[1]))
        return expired

    # bounds

    def fits(self, entry: Entry) -> bool:
        limits = self.limits
        return len(self.entries) < limits.entries and self.size + entry.size <= limits.bytes

    def make_way(self, newcomer: Ticket) -> list[Ticket] | None:
        """Lets those out who make way for ``newcomer``; None where it has to go itself.

        That is, the newest of the lowest priority below its own, of the client that has most of
        these; where nobody is below it, the newest of the client that has most at its own priority,
        if that is more than its own client would have.
        """
        if self.limits.overflow is not Overflow.SHED_LOWEST:
            return None
        below = self.crowds[newcomer.level + 1 :]
        if not any(crowd.count for crowd in below):
            return self._level_out(newcomer)
        if not self._would_fit(newcomer.entry, below):
            return None
        out = []
        while not self.fits(newcomer.entry):
            lowest = next(crowd for crowd in reversed(below) if crowd.count)
            out.append(self._remove_newest(lowest))
        return out

    def _would_fit(self, entry: Entry, below: Iterable[Crowd]) -> bool:
        """Whether ``entry`` fits once all that is ``below`` it has gone."""
        count = sum(crowd.count for crowd in below)
        size = sum(crowd.size for crowd in below)
        return (
            len(self) - count < self.limits.entries
            and self.size - size + entry.size <= self.limits.bytes
        )

    def _level_out(self, newcomer: Ticket) -> list[Ticket] | None:
        crowd, limits = self.crowds[newcomer.level], self.limits
        largest = crowd.largest()
        if largest is None or largest.waiting <= newcomer.account.waiting + 1:
            return None
        size = self.size - crowd.newest(largest).entry.size + newcomer.entry.size
        if len(self) > limits.entries or size > limits.bytes:
            return None
        return [self._remove_newest(crowd)]

    def _remove_newest(self, crowd: Crowd) -> Ticket:
        largest = crowd.largest()
        assert largest is not None  # noqa: S101 (for the type checker; the crowd is not empty)
        return self.remove(crowd.newest(largest).entry.id)


def first_in_turn(lines: Iterable[Line], level: int) -> Ticket | None:
    """Whose turn it is at ``level`` among all ``lines``."""
    found: Ticket | None = None
    for line in lines:
        head = line.levels[level].head()
        if head is not None and (found is None or _turn(head) < _turn(found)):
            found = head
    return found


def _turn(waiting: Ticket) -> tuple[float, int]:
    return waiting.account.tag, waiting.account.order
