"""Header fields as a multimap that keeps order and spelling."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast, overload


class Headers:
    """Fields of a message: names in any case, several values a name.

    Iterates (name, value) pairs as sent. Never changes: `with_` and `without` make new ones.
    """

    __slots__ = ("_index", "_length", "_pairs")

    def __init__(
        self, pairs: Iterable[tuple[str, str]] = (), index: dict[str, str] | None = None
    ) -> None:
        """``index`` is the first value of each name in small letters, where it is known already;
        ``pairs`` is then a list that nobody else holds."""
        if index is None:
            pairs = list(pairs)
            index = {name.lower(): value for name, value in reversed(pairs)}
        self._pairs = cast("list[tuple[str, str]]", pairs)
        self._index = index
        self._length: tuple[int, str] | None = None  # what `with_length` has not written yet

    @overload
    def get(self, name: str) -> str | None: ...
    @overload
    def get(self, name: str, default: str) -> str: ...
    @overload
    def get(self, name: str, default: None) -> str | None: ...
    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value of ``name``."""
        name = name.lower()
        if self._length is not None and name == "content-length":
            return self._length[1]
        return self._index.get(name, default)

    def getall(self, name: str) -> list[str]:
        """Every value of ``name``, in order."""
        name = name.lower()
        return [value for key, value in self._all() if key.lower() == name]

    def without(self, *names: str) -> Headers:
        """These fields except those called one of ``names``."""
        dropped = {name.lower() for name in names}
        return Headers([pair for pair in self._all() if pair[0].lower() not in dropped])

    def with_(self, name: str, value: str) -> Headers:
        """These fields with ``name`` set to ``value`` alone."""
        return Headers([*self.without(name), (name, value)])

    def with_length(self, place: int, digits: str) -> Headers:
        """These fields with another Content-Length, whose only one is the pair at ``place``.

        What they have in common is shared: most of such headers are never looked at as a whole.
        """
        changed = Headers.__new__(Headers)  # each message has one; no `__init__` is half the time
        changed._pairs = self._pairs
        changed._index = self._index
        changed._length = place, digits
        return changed

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._index

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._pairs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._all() == other._all()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        # Values may be secrets, and what is printed ends in logs.
        return f"Headers({', '.join(name for name, _ in self._pairs)})"

    def _all(self) -> list[tuple[str, str]]:
        """The pairs, and the index, with a length of their own where they have one."""
        if self._length is not None:
            (place, digits), self._length = self._length, None
            self._pairs, self._index = self._pairs.copy(), self._index.copy()
            self._pairs[place] = (self._pairs[place][0], digits)
            self._index["content-length"] = digits
        return self._pairs
