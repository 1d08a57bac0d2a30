"""The slots of one backend, and what ran on each of them last.

A server keeps what it computed of the last prompt of each slot (its KV cache), so that a request
that begins with the same text costs less there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator


class Slots:
    """Which slots are free, and what they remember."""

    __slots__ = ("_count", "_free", "_prefixes", "_streaks", "_warm")

    def __init__(self, count: int) -> None:
        self._count = 0
        self._free: OrderedDict[int, None] = OrderedDict()  # the least recently used one first
        self._prefixes: dict[int, str] = {}
        self._streaks: dict[int, int] = {}
        self._warm: dict[str, dict[int, None]] = {}  # prefix → free slots that remember it
        self.resize(count)

    def resize(self, count: int) -> None:
        """There are so many from now on; those above it that are in use are so until released."""
        for index in [index for index in self._free if index >= count]:
            del self._free[index]
            self._cool(index)
            self._drop(index)
        in_use = [index for index in self._prefixes if index not in self._free]
        for index in range(self._count, count):
            if index not in in_use:
                self._free[index] = None
                self._prefixes[index] = ""
        self._count = count

    def take(self, prefix: str, out_of_turn: bool = False) -> int:
        """A free slot for a request with ``prefix``: the one that remembers it, else the one that
        was used least recently. There must be a free one."""
        alike = self._warm.get(prefix)
        if alike is None:
            index, _ = self._free.popitem(last=False)
            self._cool(index)
            self._prefixes[index] = prefix
        else:
            index, _ = alike.popitem()
            del self._free[index]
            if not alike:
                del self._warm[prefix]
        if out_of_turn:
            self._streaks[index] = self._streaks.get(index, 0) + 1
        elif self._streaks:
            self._streaks.pop(index, None)
        return index

    def release(self, index: int) -> None:
        if index >= self._count:
            self._drop(index)
            return
        self._free[index] = None
        prefix = self._prefixes[index]
        if not prefix:
            return
        alike = self._warm.get(prefix)
        if alike is None:
            self._warm[prefix] = {index: None}
        else:
            alike[index] = None

    def is_warm(self, prefix: str) -> bool:
        """Whether a free slot remembers ``prefix``."""
        return prefix in self._warm

    def warm(self) -> Iterator[tuple[str, int]]:
        """What free slots remember, with how many starts in a row were out of turn there."""
        for prefix, indices in self._warm.items():
            yield prefix, self._streaks.get(next(reversed(indices)), 0)

    def forget(self) -> None:
        """The server was away: it remembers nothing."""
        self._warm.clear()
        self._prefixes = dict.fromkeys(self._prefixes, "")

    def _cool(self, index: int) -> None:
        """It is not free any more, so it is not there for what it remembers."""
        prefix = self._prefixes[index]
        if not prefix:
            return
        alike = self._warm[prefix]
        del alike[index]
        if not alike:
            del self._warm[prefix]

    def _drop(self, index: int) -> None:
        """There is no such slot any more."""
        del self._prefixes[index]
        self._streaks.pop(index, None)
