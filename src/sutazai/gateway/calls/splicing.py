"""Pieces of an answer that go from the backend's socket to the client's in one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from sutazai.gateway.calls.account import Account
from sutazai.gateway.dialects.moulds import NO_TEXT, Mould, read_text
from sutazai.gateway.dialects.streams import Pipe
from sutazai.wire import Sink, chunk_line

_PREFIXES_MAX = 64


class Splice:
    """Sends chunks on that have one frame each, alike but for its text, as nearly all are.

    It does what feeding them to ``pipe`` would do, without understanding them anew.

    Args:
        until: the age of the call in seconds at which it takes nothing more.
        write: sends whole chunks to the client, until ``sink`` is over.
    """

    __slots__ = (
        "_account", "_begun", "_clock", "_head", "_pipe", "_prefixes", "_sink", "_tail", "_time",
        "_to", "_until", "_write",
    )  # fmt: skip

    def __init__(
        self,
        account: Account,
        pipe: Pipe,
        sink: Sink,
        write: Callable[[bytes], None],
        until: float,
    ) -> None:
        self._account = account
        self._clock, self._begun = account.clock, account.begun
        self._until = account.begun + until
        self._pipe = pipe
        self._sink = sink
        self._write = write
        self._head = b""
        self._prefixes: dict[int, bytes] = {}  # of whole chunks, by their length

    def fit(self, mould: Mould) -> Self:
        """Take what is like ``mould``."""
        if mould.head != self._head:
            self._head = mould.head
            self._prefixes.clear()
        self._tail, self._time = mould.tail + b"\r\n", mould.time
        self._to = -len(self._tail)
        return self

    def take(self, data: bytes) -> bool:
        """See `sutazai.wire.Splice`."""
        prefix = self._prefixes.get(len(data)) or self._new_prefix(len(data))
        start = len(prefix)
        if not start or data[:start] != prefix or data[self._to :] != self._tail:
            return False
        if self._time:
            start = data.find(b'"', start)
            if not data.startswith(self._time, start):
                return False
            start += len(self._time)
        now, words = self._clock(), data[start : self._to]
        if self._sink.over or now > self._until:
            return False
        try:
            if not read_text(words):
                return False
        except NO_TEXT:
            return False
        pipe = self._pipe
        if pipe.around is None:
            size = len(data) - len(prefix) + len(self._head) - 2
        elif (around := pipe.around(now - self._begun)) is None:
            return False
        else:
            before, after = around
            size = len(before) + len(words) + len(after)
            data = b"%x\r\n%b%b%b\r\n" % (size, before, words, after)
        pipe.pieces += 1
        self._account.bytes_out += size
        self._write(data)
        return True

    def _new_prefix(self, length: int) -> bytes:
        """How a chunk begins that has ``length`` bytes with its framing; nothing for a long one."""
        line = chunk_line(length)
        if line is None:
            return b""
        prefix = line + self._head
        if len(self._prefixes) < _PREFIXES_MAX:
            self._prefixes[length] = prefix
        return prefix
