"""Pieces of an answer that go from the backend's socket to the client's in one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from sutazai.gateway.calls.account import Account
from sutazai.gateway.dialects.moulds import NO_TEXT, Mould, read_text
from sutazai.gateway.dialects.streams import Pipe
from sutazai.wire import Sink


class Splice:
    """Sends chunks on that have one frame each, alike but for its text, as nearly all are.

    It does what feeding them to ``pipe`` would do, without understanding them anew.

    Args:
        until: the age of the call in seconds at which it takes nothing more.
        write: sends whole chunks to the client, until ``sink`` is over.
    """

    __slots__ = (
        "_account", "_from", "_head", "_pipe", "_sink", "_tail", "_time", "_to", "_until", "_write",
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
        self._pipe = pipe
        self._sink = sink
        self._write = write
        self._until = until

    def fit(self, mould: Mould) -> Self:
        """Take what is like ``mould``."""
        self._head, self._tail, self._time = mould.head, mould.tail + b"\r\n", mould.time
        self._from, self._to = len(self._head), -len(self._tail)
        return self

    def take(self, chunk: bytes, at: int) -> bool:
        """See `sutazai.wire.Splice`."""
        if not (chunk.startswith(self._head, at) and chunk.endswith(self._tail)):
            return False
        start = at + self._from
        if self._time:
            start = chunk.find(b'"', start)
            if not chunk.startswith(self._time, start):
                return False
            start += len(self._time)
        pipe, account = self._pipe, self._account
        age = account.clock() - account.begun
        if self._sink.over or age > self._until:
            return False
        words = chunk[start : self._to]
        try:
            if not read_text(words):
                return False
        except NO_TEXT:
            return False
        if pipe.around is None:
            account.bytes_out += len(chunk) - at - 2
        elif (around := pipe.around(age)) is None:
            return False
        else:
            before, after = around
            size = len(before) + len(words) + len(after)
            chunk = b"%x\r\n%b%b%b\r\n" % (size, before, words, after)
            account.bytes_out += size
        pipe.pieces += 1
        self._write(chunk)
        return True
