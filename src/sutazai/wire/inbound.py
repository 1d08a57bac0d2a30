"""A body on its way in: filled by a connection, emptied by a reader, bounded in between."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from sutazai.wire.limits import HIGH_WATER, LOW_WATER


class Flow(Protocol):
    """What can make the peer wait: the connection."""

    def pause_body(self) -> None: ...
    def resume_body(self) -> None: ...


class Inbound:
    """Pieces of one body between the connection that receives them and one reader.

    Above `HIGH_WATER` bytes the connection is asked to stop reading, so the peer waits.
    ``on_wait`` is called once, when the reader first finds nothing (100-continue). ``wanted`` says
    that it is being read, ``ended`` that all of it came.
    """

    __slots__ = (
        "_buffered", "_discarded", "_error", "_flow", "_paused", "_pieces", "_waiter", "ended",
        "on_wait", "wanted",
    )  # fmt: skip

    def __init__(self, flow: Flow | None) -> None:
        self._flow = flow
        self._pieces: deque[bytes] = deque()
        self._buffered = 0
        self._paused = self._discarded = False
        self._waiter: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        self.ended = flow is None
        self.wanted = False
        self.on_wait: Callable[[], None] | None = None

    # the connection's side

    def feed(self, piece: bytes) -> None:
        if self._discarded:
            return
        self._pieces.append(piece)
        self._buffered += len(piece)
        if self._buffered > HIGH_WATER and not self._paused and self._flow is not None:
            self._paused = True
            self._flow.pause_body()
        self._wake()

    def end(self) -> None:
        """All of it is here. The connection may serve others from now on."""
        self.ended = True
        self._flow = None
        self._wake()

    def fail(self, error: Exception) -> None:
        """Nothing more will come; the reader gets ``error`` after what is here."""
        if not self.ended and self._error is None:
            self._error = error
            self._flow = None
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # the reader's side

    @property
    def expecting(self) -> bool:
        """Whether the peer is to send more, and is not made to wait."""
        return not self.ended and self._error is None and not self._paused

    async def next_piece(self, timeout: float | None = None) -> bytes:
        """The next bytes, never empty except at the end.

        Raises what `fail` was given, or TimeoutError after ``timeout`` seconds without any.
        """
        self.wanted = True
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self.ended:
                return b""
            await self._wait(timeout)
        return self._take()

    async def collect(self, limit: int, timeout: float | None = None) -> bytes | None:
        """Everything in one, or None when it is more than ``limit`` bytes."""
        pieces, size = [], 0
        while piece := await self.next_piece(timeout):
            size += len(piece)
            if size > limit:
                self.wanted = False
                return None
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def discard(self) -> None:
        """Nobody will read: drop what is here and what comes."""
        self._discarded = True
        while self._pieces:
            self._take()

    def _take(self) -> bytes:
        piece = self._pieces.popleft()
        self._buffered -= len(piece)
        if self._paused and self._buffered <= LOW_WATER:
            self._paused = False
            if self._flow is not None:
                self._flow.resume_body()
        return piece

    async def _wait(self, timeout: float | None) -> None:
        if self.on_wait is not None:
            announce, self.on_wait = self.on_wait, None
            announce()
        loop = asyncio.get_running_loop()
        self._waiter = waiter = loop.create_future()
        timer = None if timeout is None else loop.call_later(timeout, _expire, waiter)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()


EMPTY: Final = Inbound(None)
"""No body. One is enough for all messages that have none."""


def _expire(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())
