"""Pieces of an answer that go from the backend's socket to the client's in one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from sutazai.gateway.calls.account import Account
from sutazai.gateway.dialects.moulds import NO_TEXT, Mould, read_text
from sutazai.gateway.dialects.streams import Pipe
from sutazai.wire import Sink, chunk_line


class Splice:
    """Sends chunks on that have one frame each, alike but for its text, as nearly all are.

    It does what feeding them to ``pipe`` would do, without understanding them anew.

    Args:
        until: the age of the call in seconds at which it takes nothing more.
        write: sends whole chunks to the client, until ``sink`` is over.
    """

    __slots__ = (
        "_account", "_begun", "_clock", "_head", "_pipe", "_sink", "_tail", "_time", "_until",
        "_write",
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

    def fit(self, mould: Mould) -> Self:
        """Take what is like ``mould``."""
        self._head, self._time, self._tail = mould.head, mould.time, mould.tail + b"\r\n"
        return self

    def take(self, data: bytes) -> bool:
        """See `sutazai.wire.Splice`."""
        chunks, now = data.split(self._tail), self._clock()
        if chunks.pop() or self._sink.over or now > self._until:
            return False
        words, size = [], len(data)
        for chunk in chunks:
            line = chunk_line(len(chunk) + len(self._tail))
            if line is None or not chunk.startswith(line):
                return False
            said = self._said(chunk, len(line))
            if said is None:
                return False
            words.append(said)
            size -= len(line) + 2
        pipe = self._pipe
        if pipe.around is not None:
            around = pipe.around(now - self._begun)
            if around is None:
                return False
            before, after = around
            data = before + (after + before).join(words) + after
            size = len(data)
            data = b"%x\r\n%b\r\n" % (size, data)
        pipe.pieces += len(words)
        self._account.bytes_out += size
        self._write(data)
        return True

    def _said(self, chunk: bytes, start: int) -> bytes | None:
        """The text, in JSON, of a frame without its tail that begins at ``start``; None where it
        is not like the mould, or says nothing."""
        if not chunk.startswith(self._head, start):
            return None
        start += len(self._head)
        if self._time:
            start = chunk.find(b'"', start)
            if not chunk.startswith(self._time, start):
                return None
            start += len(self._time)
        words = chunk[start:]
        try:
            return words if read_text(words) else None
        except NO_TEXT:
            return None
