"""A body on its way in: filled by a connection, emptied by a reader, bounded in between."""

from __future__ import annotations

import asyncio
import logging
from typing import ClassVar, Final, Protocol

from sutazai.wire.limits import HIGH_WATER
from sutazai.wire.opaque import Opaque
from sutazai.wire.wake import Wake

log = logging.getLogger("sutazai.wire")


class Flow(Protocol):
    """What a body asks of its connection."""

    def pause_body(self) -> None:
        """Make the peer wait."""

    def resume_body(self) -> None:
        """Let it go on."""

    def await_body(self) -> None:
        """The reader has used all there is, and waits for more."""

    def drop_body(self) -> None:
        """The reader failed: close the connection."""


class Splice(Protocol):
    """Sends on what comes, in place of a `Receiver` that would only do that."""

    def take(self, data: bytes) -> bool:
        """Whether ``data`` is whole chunks (see `chunk_line`), and was sent on.

        It is what came of a chunked body, from the beginning of a chunk, with its framing. Must not
        raise.
        """


class Receiver(Protocol):
    """Who is told of a body as it comes, in the very call that reads it from the socket.

    One of `ended` and `failed` is called, once, and nothing after it. None of them may wait, and
    what they raise is a bug: it is logged, and the body fails.
    """

    def received(self, data: bytes) -> Splice | None:
        """The next bytes, never none. Gives what may take the chunks that follow, if anything.

        What it does not take comes here again.
        """

    def ended(self, last: bytes) -> None:
        """The body is whole; ``last`` is what came together with its end, often none."""

    def failed(self, error: Exception) -> None:
        """Nothing more will come."""


class Inbound:
    """The bytes of one body between the connection that receives them and one reader.

    Above `HIGH_WATER` bytes the connection is asked to stop reading, so the peer waits. ``wanted``
    says that it is being read, ``ended`` that all of it came, and ``splice`` may take the chunk
    that comes next.

    The connection feeds what it reads and calls `flush` last, when its own state is in order: that
    runs the reader.
    """

    __slots__ = (
        "_buffered", "_chunked", "_discarded", "_error", "_flow", "_held", "_loop", "_paused",
        "_pieces", "_receiver", "_wake", "ended", "splice", "wanted",
    )  # fmt: skip

    def __init__(self, flow: Flow, loop: asyncio.AbstractEventLoop, chunked: bool = False) -> None:
        """``chunked`` says that it comes in chunks, which a `Splice` may take."""
        self._flow: Flow | None = flow
        self._loop = loop
        self._chunked = chunked
        self._pieces: list[bytes] = []
        self._buffered = 0
        self._paused = self._discarded = self._held = False
        self._wake: Wake | None = None
        self._receiver: Receiver | None = None
        self._error: Exception | None = None
        self.splice: Splice | None = None
        self.ended = self.wanted = False

    # the connection's side

    def feed(self, piece: bytes) -> None:
        if self._discarded:
            return
        self._pieces.append(piece)
        self._buffered += len(piece)
        if self._buffered > HIGH_WATER and not self._paused:
            self._pause()

    def pass_on(self, piece: bytes) -> bool:
        """Hand a piece straight to the receiver; False where there is none that takes it now."""
        receiver = self._receiver
        if receiver is None or self._held or self._pieces:
            return False
        try:
            splice = receiver.received(piece)
            self.splice = splice if self._chunked and not self._held else None
        except Exception as cause:  # noqa: BLE001 (logged; a receiver's bug is one body's failure)
            self._end_badly(receiver, cause)
        return True

    def end(self) -> None:
        """All of it is here. The connection may serve others from now on."""
        self.ended = True
        self._flow = None

    def fail(self, error: Exception) -> None:
        """Nothing more will come; the reader gets ``error`` after what is here."""
        if not self.ended and self._error is None:
            self._error = error
            self._flow = None
            self.flush()

    def flush(self) -> None:
        """Run the reader, for what came."""
        if self._receiver is not None:
            if not self._held:
                self._deliver(self._receiver)
        elif self._wake is not None:
            self._wake.set()

    # the reader's side

    @property
    def awaited(self) -> bool:
        """Whether the reader has nothing to do but wait."""
        if self._receiver is not None:
            return not self._held
        return self._wake is not None and self._wake.awaited

    @property
    def expecting(self) -> bool:
        """Whether the peer is to send more, and is not made to wait."""
        return not self.ended and self._error is None and not self._paused

    async def next_piece(self) -> bytes:
        """The next bytes, never empty except at the end. Raises what `fail` was given."""
        self.wanted = True
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self.ended:
                return b""
            await self._wait()
        return self.take()

    def at_hand(self, limit: int) -> bytes | None:
        """As `collect` where nobody has to wait for it; None also where that is not known."""
        return None

    async def collect(self, limit: int) -> bytes | None:
        """Everything in one, or None when it is more than ``limit`` bytes."""
        pieces, size = [], 0
        while piece := await self.next_piece():
            size += len(piece)
            if size > limit:
                self.wanted = False
                return None
            pieces.append(piece)
        return b"".join(pieces)

    def deliver(self, receiver: Receiver) -> None:
        """From now on tell ``receiver``, at once of what is here already."""
        self.wanted = True
        self._receiver = receiver
        self._deliver(receiver)

    def hold(self) -> None:
        """The receiver is told nothing more until `go_on`; the peer waits."""
        self._held = True
        self.splice = None
        self._pause()

    def go_on(self) -> None:
        self._held = False
        if self._receiver is not None:
            self._deliver(self._receiver)
        if not self._held:
            self._resume()

    def discard(self) -> None:
        """Nobody will read: drop what is here and what comes."""
        self._discarded = True
        self._receiver = self.splice = None
        self.take()

    def take(self) -> bytes:
        """All that is here."""
        pieces = self._pieces
        if len(pieces) == 1:
            data = pieces.pop()
        else:
            data = b"".join(pieces)
            pieces.clear()
        self._buffered = 0
        if self._paused and not self._held:
            self._resume()
        return data

    def _deliver(self, receiver: Receiver) -> None:
        try:
            self._tell(receiver)
        except Exception as cause:  # noqa: BLE001 (as above)
            self._end_badly(receiver, cause)

    def _tell(self, receiver: Receiver) -> None:
        if self.ended:
            self._receiver = None
            receiver.ended(self.take())
            return
        if self._pieces:
            receiver.received(self.take())
        if self._held or self._receiver is None:
            return
        if self._error is not None:
            self._receiver = None
            receiver.failed(self._error)
        elif self._flow is not None:
            self._flow.await_body()

    def _end_badly(self, receiver: Receiver, cause: Exception) -> None:
        """The receiver raised ``cause``."""
        log.error("the receiver of a body failed", exc_info=cause)
        if self._receiver is None:  # it was told of the end already
            return
        flow = self._flow
        self.discard()
        if flow is not None:
            flow.drop_body()
        try:
            receiver.failed(cause)
        except Exception:  # as above
            log.exception("the receiver of a body failed once more")

    def _pause(self) -> None:
        if not self._paused and self._flow is not None:
            self._paused = True
            self._flow.pause_body()

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            if self._flow is not None:
                self._flow.resume_body()

    async def _wait(self) -> None:
        if self._wake is None:
            self._wake = Wake(self._loop)
        if self._flow is not None:
            self._flow.await_body()
        await self._wake


class Whole(Opaque, gc=False):
    """A body that was here from the start: for its reader an `Inbound` that has ended."""

    _data: bytes

    ended: ClassVar = True
    wanted: ClassVar = True
    expecting: ClassVar = False
    awaited: ClassVar = False

    def fail(self, error: Exception) -> None:
        """Does nothing: all of it came."""

    def flush(self) -> None:
        """Does nothing: nothing came."""

    async def next_piece(self) -> bytes:
        return self.take()

    def at_hand(self, limit: int) -> bytes | None:
        data = self._data
        if len(data) > limit:
            return None
        self._data = b""
        return data

    async def collect(self, limit: int) -> bytes | None:
        return self.at_hand(limit)

    def deliver(self, receiver: Receiver) -> None:
        try:
            receiver.ended(self.take())
        except Exception:  # a receiver's bug is one body's failure
            log.exception("the receiver of a body failed")

    def hold(self) -> None:
        """Does nothing, as `go_on`: it has been delivered."""

    def go_on(self) -> None:
        """Does nothing."""

    def discard(self) -> None:
        self._data = b""

    def take(self) -> bytes:
        data, self._data = self._data, b""
        return data


Body = Inbound | Whole

EMPTY: Final = Whole(b"")
"""No body. One is enough for all messages that have none."""
