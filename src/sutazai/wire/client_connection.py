"""One connection of the client to a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol, cast

from sutazai.fleet.errors import BadInput, BadPeer, DeadlineExceeded, PeerClosed, SutazaiError
from sutazai.wire.framing import BadFrame, ChunkedFrame, CloseFrame, Frame, LengthFrame
from sutazai.wire.heads import END, BadHead, ResponseHead, parse_response
from sutazai.wire.inbound import EMPTY, Inbound
from sutazai.wire.outbound import Outgoing
from sutazai.wire.tcp import tune
from sutazai.wire.writer import Stalled, Writer, WrongLength, close_iterator, send_pieces

_INTERIM_MAX = 16

Arrived = tuple[ResponseHead, Inbound]


def caused(error: SutazaiError, cause: Exception | None) -> SutazaiError:
    """``error`` with its cause, for where it is not raised but handed to a waiter."""
    error.__cause__ = cause
    return error


class Home(Protocol):
    """Where a connection goes when its response is at its end."""

    def opened(self, connection: ClientConnection) -> None:
        """It is open."""

    def release(self, connection: ClientConnection) -> None:
        """It can serve another request."""

    def lost(self, connection: ClientConnection) -> None:
        """It is closed."""


class ClientConnection(asyncio.Protocol):
    """Sends one request at a time and takes its response in.

    Attributes:
        fresh: no request was sent on it before the present one.
        untouched: not a byte of the present response has come.
        idle_since: the loop's time at which the last response ended.
    """

    __slots__ = (
        "_ahead", "_bare", "_body", "_eof", "_frame", "_header_limit", "_home", "_interim",
        "_keep_alive", "_lost", "_paused", "_timer", "_transport", "_upload", "_waiter", "fresh",
        "idle_since", "untouched", "writer",
    )  # fmt: skip

    _transport: asyncio.Transport
    writer: Writer

    def __init__(self, home: Home, header_limit: int) -> None:
        self._home = home
        self._header_limit = header_limit
        self._ahead = b""
        self._waiter: asyncio.Future[Arrived] | None = None
        self._body: Inbound | None = None
        self._frame: Frame | None = None
        self._bare = self._keep_alive = self._paused = self._eof = self._lost = False
        self._upload: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._interim = 0
        self.fresh = self.untouched = True
        self.idle_since = 0.0

    # what the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.writer = Writer(self._transport)
        tune(transport.get_extra_info("socket"))
        self._home.opened(self)

    def data_received(self, data: bytes) -> None:
        self.untouched = False
        if self._frame is not None:
            self._feed(self._frame, data)
        elif self._waiter is not None and not self._waiter.done():
            self._ahead += data
            self._take_head(self._waiter)
        else:
            self.drop()  # nobody asked

    def eof_received(self) -> bool:
        self._eof = True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self.writer.lose()
        if isinstance(self._frame, CloseFrame) and self._eof and exc is None:
            self._keep_alive = False
            self._end_body(b"")
        gone = PeerClosed("the server closed the connection before its answer was whole")
        self._fail(caused(gone, exc))
        if self._upload is not None:
            self._upload.cancel()
        self._home.lost(self)

    def pause_writing(self) -> None:
        self.writer.pause()

    def resume_writing(self) -> None:
        self.writer.resume()

    # what a body that is not read calls

    def pause_body(self) -> None:
        if not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def resume_body(self) -> None:
        if self._paused and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    # what the client calls

    @property
    def usable(self) -> bool:
        """Whether it can take a request, as far as one can know."""
        return not self._lost and not self._transport.is_closing()

    def begin(self, *, bare: bool) -> None:
        """Get ready for the response to a request; ``bare``: to HEAD, so without a body."""
        self._waiter = asyncio.get_running_loop().create_future()
        self._bare = bare
        self._interim = 0
        self.untouched = True

    def uploads(self, task: asyncio.Task[None]) -> None:
        """``task`` sends the request's body, and is cancelled when there is no use in it."""
        self._upload = task

    def sent(self, timeout: float | None) -> None:
        """The request is sent to its end, and the server has ``timeout`` seconds to answer."""
        self._upload = None
        if timeout is not None and self._waiter is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(timeout, self._late, timeout)

    async def head(self) -> Arrived:
        """The response's head and its body to come.

        Raises PeerClosed, BadPeer, DeadlineExceeded, or what `fail` was given.
        """
        waiter = cast("asyncio.Future[Arrived]", self._waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if not _has_ended(waiter):
                self.drop()
            raise

    def fail(self, error: Exception) -> None:
        """Close at once, because of ``error``: who waits for the response or its body gets it."""
        self._fail(error)
        self.drop()

    def drop(self) -> None:
        """Close at once; the server notices."""
        self._transport.abort()

    # reading

    def _late(self, timeout: float) -> None:
        self.fail(DeadlineExceeded(f"the server did not answer within {timeout:g} s"))

    def _take_head(self, waiter: asyncio.Future[Arrived]) -> None:
        try:
            head = self._final_head()
        except BadHead as cause:
            self.fail(caused(BadPeer(f"the server's answer is malformed: {cause}"), cause))
            return
        if head is None:
            return
        rest, self._ahead = self._ahead, b""
        self._keep_alive = head.keep_alive
        self._frame = self._choose_frame(head)
        self._body = EMPTY if self._frame is None else Inbound(self)
        self._stop_waiting()
        waiter.set_result((head, self._body))
        if self._frame is None:
            self._end_body(rest)
        elif rest:
            self._feed(self._frame, rest)

    def _final_head(self) -> ResponseHead | None:
        """The response's head, once it is here; interim ones (1xx) are passed over."""
        while True:
            end = self._ahead.find(END)
            if end > self._header_limit or (end < 0 and len(self._ahead) > self._header_limit + 3):
                raise BadHead(f"its head is longer than {self._header_limit} bytes")
            if end < 0:
                return None
            head = parse_response(self._ahead[: end + 4])
            self._ahead = self._ahead[end + 4 :]
            if head.status >= 200:
                return head
            self._interim += 1
            if head.status == 101 or self._interim > _INTERIM_MAX:
                raise BadHead(f"the status {head.status} was not asked for")

    def _choose_frame(self, head: ResponseHead) -> Frame | None:
        if self._bare or head.status in (204, 304) or head.length == 0:
            return None
        if head.chunked:
            return ChunkedFrame()
        return CloseFrame() if head.length is None else LengthFrame(head.length)

    def _feed(self, frame: Frame, data: bytes) -> None:
        body = cast("Inbound", self._body)
        try:
            rest = frame.feed(data, body.feed)
        except BadFrame as cause:
            self.fail(caused(BadPeer(f"the server's answer is malformed: {cause}"), cause))
            return
        if rest is not None:
            self._end_body(rest)

    def _end_body(self, rest: bytes) -> None:
        """The response is whole. ``rest`` is what came after it, which nobody asked for."""
        self._frame = None
        body, self._body = cast("Inbound", self._body), None
        body.end()
        unsent = self._upload is not None or self._transport.get_write_buffer_size() > 0
        if rest or unsent or not self._keep_alive or self._lost:
            self.drop()
            return
        self.resume_body()
        self.fresh = False
        self._home.release(self)

    def _fail(self, error: Exception) -> None:
        self._frame = None
        waiter, body = self._waiter, self._body
        self._stop_waiting()
        self._body = None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        if body is not None:
            body.fail(error)

    def _stop_waiting(self) -> None:
        self._waiter = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _has_ended(waiter: asyncio.Future[Arrived]) -> bool:
    """Whether an answer came whole, or a failure, in the turn in which its waiter was cancelled.

    After a whole answer the connection may serve another request by now.
    """
    if waiter.cancelled() or not waiter.done():
        return False
    return waiter.exception() is not None or waiter.result()[1].ended


async def upload(
    connection: ClientConnection, out: Outgoing, body: AsyncIterator[bytes], stall: float | None
) -> None:
    """Send a request with an iterated body; what goes wrong is handed to who awaits the response.

    ``stall`` is how long the server may take nothing, and then how long it may take to answer.
    """
    writer = connection.writer
    try:
        writer.write(out.head)
        await send_pieces(writer, body, chunked=out.chunked, length=out.length, stall=stall)
        connection.sent(stall)
    except Stalled as cause:
        connection.fail(caused(DeadlineExceeded(f"an upload failed: {cause}"), cause))
    except WrongLength as cause:
        connection.fail(caused(BadInput(f"an upload failed: {cause}"), cause))
    except Exception as cause:  # noqa: BLE001 (the iterator's own, handed on as it is)
        connection.fail(cause)
    finally:
        await close_iterator(body)
