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
            self._take_free(index)
        in_use = [index for index in self._prefixes if index not in self._free]
        for index in range(self._count, count):
            if index not in in_use:
                self._free[index] = None
                self._prefixes[index] = ""
        self._count = count

    def take(self, prefix: str, *, out_of_turn: bool = False) -> int:
        """A free slot for a request with ``prefix``: the one that remembers it, else the one that
        was used least recently. There must be a free one."""
        alike = self._warm.get(prefix)
        index = next(iter(self._free)) if alike is None else next(reversed(alike))
        self._take_free(index)
        self._prefixes[index] = prefix
        self._streaks[index] = self._streaks.get(index, 0) + 1 if out_of_turn else 0
        return index

    def release(self, index: int) -> None:
        if index >= self._count:
            del self._prefixes[index]
            self._streaks.pop(index, None)
            return
        self._free[index] = None
        prefix = self._prefixes[index]
        if prefix:
            self._warm.setdefault(prefix, {})[index] = None

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

    def _take_free(self, index: int) -> None:
        del self._free[index]
        prefix = self._prefixes.pop(index)
        if not prefix:
            return
        alike = self._warm[prefix]
        del alike[index]
        if not alike:
            del self._warm[prefix]
