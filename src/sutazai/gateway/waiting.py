"""What waits: entries, one line a target, and who runs out of time first.

Belongs to the scheduler and is as pure as it is. Every operation costs O(log n) at most, amortised.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from sutazai.fleet.spec import Priority
from sutazai.gateway.fairness import FairQueue, Turns

LEVELS: tuple[Priority, ...] = (Priority.HIGH, Priority.MEDIUM, Priority.LOW)
"""Priorities in the order in which they are served."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One call that asks for a slot.

    Args:
        id: unique among all entries that have not ended.
        client: who is charged; fairness holds between clients.
        priority: its level in the queue.
        target: what it asks for, a tier or a model; backends name the targets that they serve.
        deadline: when it stops waiting, on the scheduler's clock.
    """

    id: str
    client: str
    priority: Priority
    target: str
    deadline: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """An entry in the queue, with the time of its submission."""

    entry: Entry
    arrived: float


class Line:
    """Everything that waits for one target."""

    def __init__(self, turns: dict[Priority, Turns]) -> None:
        self._levels = {level: FairQueue[Waiting](turns[level]) for level in LEVELS}
        self._by_age: OrderedDict[str, Waiting] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_age)

    def push(self, waiting: Waiting, *, front: bool = False) -> None:
        """Adds an entry; at the ``front`` when it was here before and comes back."""
        entry = waiting.entry
        self._by_age[entry.id] = waiting
        self._by_age.move_to_end(entry.id, last=not front)
        self._levels[entry.priority].push(entry.client, entry.id, waiting, front=front)

    def remove(self, entry: Entry) -> None:
        del self._by_age[entry.id]
        self._levels[entry.priority].remove(entry.client, entry.id)

    def head(self, level: Priority) -> tuple[float, int, Waiting] | None:
        """Who is next at ``level``, with its tag and order for comparison between lines."""
        return self._levels[level].head()

    def oldest(self) -> Waiting:
        """Who waits longest; the line must not be empty."""
        return next(iter(self._by_age.values()))

    def entries(self) -> tuple[Entry, ...]:
        return tuple(waiting.entry for waiting in self._by_age.values())


class Deadlines:
    """Which of the waiting runs out of time first."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, str]] = []

    def add(self, entry: Entry) -> None:
        heappush(self._heap, (entry.deadline, entry.id))

    def first(self, waiting: dict[str, Waiting]) -> tuple[float, str] | None:
        """The earliest deadline among ``waiting`` with its entry's id."""
        while self._heap and self._heap[0][1] not in waiting:
            heappop(self._heap)
        return self._heap[0] if self._heap else None

    def tidy(self, waiting: Iterable[Waiting], count: int) -> None:
        """Drops what no longer waits, once that is more than what does."""
        if len(self._heap) > 2 * count + 64:
            self._heap = [(each.entry.deadline, each.entry.id) for each in waiting]
            heapify(self._heap)
