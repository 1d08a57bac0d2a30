"""Bodies of responses that are pushed: written when there is something, with no task in between.

An async iterator costs a task's turn for each piece, which is most of what relaying a token costs.
A pushed body is written from wherever its bytes come up; with `ClientResponse.deliver` that is the
call that reads them from the backend's socket, so that a token goes from one socket to the other in
one chain of calls:

    class Relay:  # a `Pushed` body, and the `Receiver` of a backend's answer
        def attach(self, sink):
            self.sink = sink
            self.response.deliver(self)
        def received(self, data):
            self.sink.write(data)
        def ended(self, last):
            self.sink.close(last)
        def failed(self, error):
            self.sink.fail(error)
        def hold(self):
            self.response.hold()
        def go_on(self):
            self.response.go_on()
        async def aclose(self):
            await self.response.close()
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from sutazai.wire.wake import Wake
from sutazai.wire.writer import COALESCED_MAX, LAST_CHUNK, WrongLength


class Pushed(Protocol):
    """A body that writes itself. Its server calls it; nothing but `aclose` may wait."""

    def attach(self, sink: Sink) -> None:
        """The head is on its way: write to ``sink`` from now on, here or later, then close it."""

    def hold(self) -> None:
        """The client takes less than it is given: make whoever fills this body wait."""

    def go_on(self) -> None:
        """The client has taken enough."""

    async def aclose(self) -> None:
        """Called once and last, however it ended, also where nothing was attached: give up all."""


class Sink:
    """Where a pushed body goes: one client's connection.

    Nothing here waits, and after the end nothing here does anything. What is written while the
    client is slow is kept, so whoever writes heeds `Pushed.hold`. The end runs the task that serves
    the client, which closes the body: call `close` and `fail` last.

    Args:
        transport: the client's.
        head: the response's, sent with the first piece.
        chunked: whether the body is sent in chunks.
        length: bytes that were declared, if any.

    Attributes:
        over: the body is at its end, or the client gone.
        done: rung at the body's end.
        error: what `fail` was given.
    """

    __slots__ = ("_chunked", "_head", "_left", "_transport", "done", "error", "over")

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        head: bytes,
        *,
        chunked: bool,
        length: int | None,
    ) -> None:
        self._transport = transport
        self._head = head
        self._chunked = chunked
        self._left = length
        self.done = Wake(loop)
        self.error: Exception | None = None
        self.over = False

    @property
    def splice(self) -> Callable[[bytes], None] | None:
        """What sends whole chunks with their sizes, where the body has chunks and has begun.

        Nothing may be sent by it once the body is ``over``.
        """
        return None if self._head or not self._chunked else self._transport.write

    def write(self, piece: bytes) -> None:
        """Send the next bytes; none are nothing."""
        if self.over or not piece:
            return
        if self._left is not None and not self._fits(len(piece)):
            return
        if self._chunked and len(piece) <= COALESCED_MAX:
            self._transport.write(b"%b%x\r\n%b\r\n" % (self._head, len(piece), piece))
        elif self._chunked:
            self._transport.writelines((self._head, b"%x\r\n" % len(piece), piece, b"\r\n"))
        else:
            self._transport.writelines((self._head, piece))
        self._head = b""

    def close(self, last: bytes = b"") -> None:
        """The body is whole with ``last``, which is sent together with its end."""
        if self.over or (self._left is not None and not self._fits(len(last))):
            return
        if self._left:
            self.fail(WrongLength(f"a body lacks {self._left} bytes of those that were declared"))
            return
        end = LAST_CHUNK if self._chunked else b""
        if last and self._chunked:
            last = b"%x\r\n%b\r\n" % (len(last), last)
        self.over = True
        self._transport.write(self._head + last + end)
        self.done.set()

    def fail(self, error: Exception) -> None:
        """The body cannot be brought to its end; the client is made to notice."""
        if not self.over:
            self.over = True
            self.error = error
            self.done.set()

    # what the server calls

    def send_head(self) -> None:
        """Send the head without waiting for the first piece."""
        if self._head and not self.over:
            self._transport.write(self._head)
            self._head = b""

    def lose(self) -> None:
        """The client is gone; what is written goes nowhere."""
        self.over = True

    def _fits(self, size: int) -> bool:
        left = self._left = (self._left or 0) - size
        if left < 0:
            self.fail(WrongLength(f"a body has {-left} bytes more than were declared"))
        return left >= 0
