"""What waits to be written, bounded: the newest wins."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Backlog(Generic[T]):
    """Items on their way from one thread, which puts, to another, which takes.

    When it is full the oldest items are dropped, and counted: whoever puts never waits. There is no
    lock, because the deque's own operations are atomic and each number here is written by one of
    the two threads only.

    Args:
        limit: most items.
        size: most bytes of all items together; the newest is held whatever its size.
    """

    __slots__ = ("_held", "_items", "_limit", "_size_max", "_taken", "dropped")

    def __init__(self, *, limit: int, size: int) -> None:
        self._limit = limit
        self._size_max = size
        self._items: deque[tuple[T, int, int]] = deque()
        self._held = 0  # bytes put and not dropped, ever; written by who puts
        self._taken = 0  # bytes taken, ever; written by who takes
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def size(self) -> int:
        """Bytes of all items together."""
        return self._held - self._taken

    def put(self, item: T, size: int, *, weight: int = 1) -> int:
        """Adds ``item`` of ``size`` bytes, which counts ``weight`` where it is dropped; gives how
        many there are now."""
        items = self._items
        items.append((item, size, weight))
        self._held += size
        count = len(items)
        if count > self._limit or self.size > self._size_max:
            self._drop()
        return count

    def take(self, count: int, size: int) -> list[T]:
        """Up to ``count`` of the oldest, which end with the one that reaches ``size`` bytes."""
        taken: list[T] = []
        bytes_taken = 0
        while len(taken) < count and bytes_taken < size:
            try:
                item, item_size, _ = self._items.popleft()
            except IndexError:
                break
            taken.append(item)
            bytes_taken += item_size
        self._taken += bytes_taken
        return taken

    def _drop(self) -> None:
        items = self._items
        while len(items) > self._limit or (len(items) > 1 and self.size > self._size_max):
            try:
                _, size, weight = items.popleft()
            except IndexError:  # the other thread has taken it meanwhile
                return
            self._held -= size
            self.dropped += weight
