"""Answers of deterministic calls, kept for equal calls that come later. Pure: time is passed in.

An entry has the answer's bytes as they were sent, by the manner in which they were wanted, so that
a replay is the same to the byte; and, where it says all, the answer's neutral form, from which the
other manner can be rendered. What was cut short, failed or was stopped by a filter is not kept,
and nothing so large that it would push out many others.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from sutazai.gateway.dialects.neutral import Answer
from sutazai.gateway.sharing.keys import ShareKey

COMPLETE = frozenset({"stop", "length", "tool_calls"})
"""Ends of answers that would be the same again."""

ENTRY_SHARE = 8
"""No entry may have more than this part of the whole."""

_OVERHEAD = 512
"""Bytes that an entry takes beside its contents, about."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A kept answer: its ``body`` as it is to be sent, or else ``answer`` to be rendered."""

    body: bytes | None
    answer: Answer | None


@dataclass(frozen=True, slots=True)
class _Entry:
    bodies: Mapping[bytes, bytes]
    answer: Answer | None
    born: float
    size: int

    def with_(self, exact: bytes, body: bytes, answer: Answer | None) -> _Entry:
        bodies = {**self.bodies, exact: body}
        kept = self.answer or answer
        size = _OVERHEAD + sum(map(len, bodies.values())) + _size_of(kept)
        return _Entry(bodies, kept, self.born, size)


class AnswerCache:
    """Least recently used goes first; ``size`` is its bound in bytes, ``age`` in seconds.

    Plain counts: ``hits``, ``misses``, ``evictions`` (for room, not for age), ``bytes``.
    """

    def __init__(self, size: int, age: float) -> None:
        self._size = size
        self._age = age
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self.bytes = self.hits = self.misses = self.evictions = 0

    def __len__(self) -> int:
        return len(self._entries)

    def update(self, size: int, age: float) -> None:
        """Bounds it anew; what it has stays as far as it fits."""
        self._size, self._age = size, age
        self._make_room()

    def clear(self) -> None:
        self._entries.clear()
        self.bytes = 0

    def get(self, key: ShareKey, now: float) -> Hit | None:
        """The answer kept under ``key``; counts."""
        entry = self._fresh(key, now)
        body = None if entry is None else entry.bodies.get(key.exact)
        if entry is None or (body is None and entry.answer is None):
            self.misses += 1
            return None
        self._entries.move_to_end(key.answer)
        self.hits += 1
        return Hit(body, entry.answer)

    def put(
        self, key: ShareKey, body: bytes, reason: str, now: float, *, answer: Answer | None = None
    ) -> bool:
        """Keeps an answer that came to its natural end; whether it does.

        Args:
            body: everything that the client was sent.
            reason: why the answer ended, in neutral words; ``stop`` for embeddings.
            answer: its neutral form, where that says all of it (`keys.is_neutral`).
        """
        if reason not in COMPLETE:
            return False
        known = self._fresh(key, now) or _Entry({}, None, now, 0)
        entry = known.with_(key.exact, body, answer)
        if entry.size > self._size // ENTRY_SHARE:
            return False
        self._remove(key.answer)
        self._entries[key.answer] = entry
        self.bytes += entry.size
        self._make_room()
        return True

    def _fresh(self, key: ShareKey, now: float) -> _Entry | None:
        entry = self._entries.get(key.answer)
        if entry is not None and now - entry.born >= self._age:
            self._remove(key.answer)
            return None
        return entry

    def _remove(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.bytes -= entry.size

    def _make_room(self) -> None:
        while self.bytes > self._size:
            self._remove(next(iter(self._entries)))
            self.evictions += 1


def _size_of(answer: Answer | None) -> int:
    """Bytes of an answer's neutral form, at four a character at most."""
    if answer is None:
        return 0
    delta = answer.delta
    calls = sum(len(call.arguments) + len(call.name) for call in delta.tool_calls)
    return 4 * (len(delta.text) + len(delta.thinking) + calls)
