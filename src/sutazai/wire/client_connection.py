"""One connection of the client to a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol, cast

from sutazai.fleet.errors import BadInput, BadPeer, DeadlineExceeded, PeerClosed, SutazaiError
from sutazai.wire.framing import BadFrame, ChunkedFrame, CloseFrame, Frame, LengthFrame
from sutazai.wire.headers import Headers
from sutazai.wire.heads import BadHead, HeadReader, ResponseHead, parse_response
from sutazai.wire.inbound import Body, Inbound, Whole
from sutazai.wire.limits import Timeout
from sutazai.wire.outbound import Outgoing
from sutazai.wire.outbox import Outbox
from sutazai.wire.resting import Rest, Rests
from sutazai.wire.tcp import tune
from sutazai.wire.timer import LazyTimer
from sutazai.wire.wake import Wake
from sutazai.wire.writer import (
    COALESCED_MAX,
    Stalled,
    Writer,
    WrongLength,
    close_body,
    send_pieces,
)

_INTERIM_MAX = 16
_NO_HEADERS = Headers()


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


class Pending(Wake, kw_only=True, eq=False):
    """A response that has not begun: rung once it has, or there is an ``error``.

    A connection may serve another request by then; this one's outcome is kept here.

    Attributes:
        status: 0 until the response's head is there.
    """

    connection: ClientConnection
    status: int = 0
    headers: Headers = _NO_HEADERS
    body: Body
    error: Exception | None = None

    async def outcome(self) -> None:
        """Wait for the answer. Raises ``error``."""
        await self
        if self.error is not None:
            raise self.error

    @property
    def unanswered(self) -> bool:
        """Whether the server may still work for it, and its connection serves nobody else."""
        return self.error is None and (self.status == 0 or not self.body.ended)

    def drop(self) -> None:
        """Nobody waits any more: close the connection, unless it may serve somebody else."""
        if self.unanswered:
            self.connection.fail(PeerClosed("the request was given up"))


class ClientConnection(asyncio.Protocol):
    """Sends one request at a time and takes its response in.

    Attributes:
        fresh: no request was sent on it before the present one.
        untouched: not a byte of the present response has come.
        idle_since: the loop's time at which the last response ended.
        idle: seconds that the server may be silent in the midst of a body that is waited for.
    """

    __slots__ = (
        "_ahead", "_bare", "_body", "_eof", "_frame", "_gone", "_heads", "_home", "_interim",
        "_keep_alive", "_loop", "_lost", "_outbox", "_paused", "_pending", "_rest", "_rests",
        "_timer", "_transport", "_upload", "fresh", "idle", "idle_since", "untouched", "writer",
    )  # fmt: skip

    _transport: asyncio.Transport
    _rest: Rest
    writer: Writer

    def __init__(
        self,
        home: Home,
        header_limit: int,
        rests: Rests,
        outbox: Outbox,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._home = home
        self._rests = rests
        self._outbox = outbox
        self._loop = loop
        self._timer = LazyTimer(loop, self._timed_out)
        self._ahead = b""
        self._heads = HeadReader(parse_response, header_limit)
        self._pending: Pending | None = None
        self._body: Inbound | None = None
        self._frame: Frame | None = None
        self._bare = self._keep_alive = self._paused = self._eof = self._lost = False
        self._upload: asyncio.Task[None] | None = None
        self._gone: Wake | None = None
        self._interim = 0
        self.idle: float | None = None
        self.fresh = self.untouched = True
        self.idle_since = 0.0

    # what the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.writer = Writer(self._transport)
        tune(transport.get_extra_info("socket"))
        self._rest = Rest(self._rests, self._transport, self._loop)
        self._home.opened(self)

    def data_received(self, data: bytes) -> None:
        self.untouched = False
        frame, body = self._frame, self._body
        if frame is not None and body is not None:
            splice = body.splice
            taken = splice is not None and splice.take(data)
            if not taken:
                piece = frame.single(data)
                if piece is None:
                    self._feed(frame, body, data)
                    return
                if not body.pass_on(piece):
                    body.feed(piece)
                    body.flush()
                    return
            now = self._loop.time()
            idle, timer = self.idle, self._timer
            if idle is not None:
                if timer.deadline is None or timer.seconds != idle:
                    timer.set(idle)
                else:  # with each token, so without a call: it is only put off
                    timer.deadline = now + idle
            if taken:
                self._rest.came(now)
        elif self._pending is not None:
            self._take_head(self._pending, self._ahead + data if self._ahead else data)
        else:
            self.drop()  # nobody asked

    def eof_received(self) -> bool:
        self._eof = True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._timer.close()
        self._rest.close()
        self.writer.lose()
        if self._upload is not None:
            self._upload.cancel()
        self._home.lost(self)
        if self._gone is not None:
            self._gone.set()
        if isinstance(self._frame, CloseFrame) and self._eof and exc is None:
            self._end_at_eof()
        gone = PeerClosed("the server closed the connection before its answer was whole")
        self._fail(caused(gone, exc))

    def pause_writing(self) -> None:
        self.writer.pause()

    def resume_writing(self) -> None:
        self.writer.resume()

    # what a body calls

    def pause_body(self) -> None:
        if not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def resume_body(self) -> None:
        if self._paused and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def await_body(self) -> None:
        if self.idle is not None:
            self._timer.set(self.idle)

    def drop_body(self) -> None:
        self.drop()

    # what the client calls

    def is_usable(self) -> bool:
        """Whether it can take a request, as far as one can know."""
        return not self._lost and not self._transport.is_closing()

    def ask(
        self, pending: Pending, method: str, head: bytes, body: bytes, timeout: Timeout
    ) -> None:
        """Send a request, or its head alone, whose response is for ``pending``."""
        self._pending = pending
        self._bare = method == "HEAD"
        self._interim = 0
        self.idle = timeout.idle
        self.untouched = True
        if len(body) <= COALESCED_MAX:
            self._outbox.post(self.writer, head + body, self._loop)
        else:
            self.writer.write_all(head, body)
        self._timer.set(timeout.headers)

    def uploads(self, task: asyncio.Task[None]) -> None:
        """``task`` sends the request's body, and is cancelled when there is no use in it.

        Until then the server need not answer.
        """
        self._upload = task
        self._timer.set(None)

    def sent(self, timeout: float | None) -> None:
        """The request is sent to its end, and the server has ``timeout`` seconds to answer."""
        self._upload = None
        if self._pending is not None:
            self._timer.set(timeout)

    def fail(self, error: Exception) -> None:
        """Close at once, because of ``error``: who waits for the response or its body gets it."""
        self.drop()
        self._fail(error)

    def drop(self) -> None:
        """Close at once; the server notices."""
        self._transport.abort()

    async def abandon(self, grace: float) -> None:
        """Have the server notice that nobody waits, and wait until it has stopped.

        That is: until it closed its side, or its answer is whole; for ``grace`` seconds at most.
        """
        if self._body is not None:
            self._body.discard()
        unsent = self._upload is not None or self.writer.posted
        if self._lost or unsent or not self._transport.can_write_eof():
            self.drop()
            return
        self._timer.set(None)
        self._gone = Wake(self._loop)
        self._transport.write_eof()
        self.resume_body()
        timer = self._loop.call_later(grace, self.drop)
        try:
            await self._gone
        finally:
            timer.cancel()
            self.drop()

    # reading

    def _timed_out(self) -> None:
        if self._pending is not None:
            silent = f"the server did not answer within {self._timer.seconds:g} s"
        elif self._body is not None and self._body.awaited:
            silent = f"the server sent nothing for {self._timer.seconds:g} s"
        else:
            return  # nobody waits for it
        self.fail(DeadlineExceeded(silent))

    def _take_head(self, pending: Pending, data: bytes) -> None:
        try:
            found = self._heads.read(data)
            while found is not None and found[0].status < 200:
                self._pass_over(found[0])
                data = data[found[1] :]
                found = self._heads.read(data)
        except BadHead as cause:
            self.fail(caused(BadPeer(f"the server's answer is malformed: {cause}"), cause))
            return
        if found is None:
            self._ahead = data
            return
        self._ahead = b""
        head, end = found
        self._begin_body(pending, head, data[end:])

    def _pass_over(self, interim: ResponseHead) -> None:
        """An interim response (1xx) is none yet. Raises BadHead where it cannot be meant for us."""
        self._interim += 1
        if interim.status == 101 or self._interim > _INTERIM_MAX:
            raise BadHead(f"the status {interim.status} was not asked for")

    def _begin_body(self, pending: Pending, head: ResponseHead, rest: bytes) -> None:
        self._pending = None
        self._keep_alive = head.keep_alive
        status, length = head.status, head.length
        pending.status, pending.headers = status, head.headers
        if self._bare or status == 204 or status == 304 or length == 0:
            self._end(rest)
        elif length is not None and length <= len(rest):
            pending.body = Whole(rest[:length])
            self._end(rest[length:])
        else:
            pending.body = self._body = Inbound(self, self._loop, head.chunked)
            self._frame = _frame(head)
            if self._gone is not None:
                self._body.discard()
            if rest:
                self._feed(self._frame, self._body, rest)
        pending.ring()

    def _feed(self, frame: Frame, body: Inbound, data: bytes) -> None:
        body.splice = None  # what comes next may begin within a chunk
        try:
            rest = frame.feed(data, body.feed)
        except BadFrame as cause:
            self.fail(caused(BadPeer(f"the server's answer is malformed: {cause}"), cause))
            return
        if rest is not None:
            self._frame = self._body = None
            body.end()
            self._end(rest)
        body.flush()

    def _end_at_eof(self) -> None:
        body, self._body = cast("Inbound", self._body), None
        self._frame = None
        body.end()
        body.flush()

    def _end(self, rest: bytes) -> None:
        """The response is whole. ``rest`` is what came after it, which nobody asked for."""
        if (
            rest
            or self._is_sending()
            or not self._keep_alive
            or self._lost
            or self._gone is not None
        ):
            self.drop()
            return
        if self._paused:
            self.resume_body()
        self.fresh = False
        self._home.release(self)

    def _is_sending(self) -> bool:
        unsent = self.writer.posted or self._transport.get_write_buffer_size()
        return bool(unsent) or self._upload is not None

    def _fail(self, error: Exception) -> None:
        self._frame = None
        pending, self._pending = self._pending, None
        body, self._body = self._body, None
        if pending is not None:
            pending.error = error
            pending.set()
        if body is not None:
            body.fail(error)


def _frame(head: ResponseHead) -> Frame:
    if head.chunked:
        return ChunkedFrame()
    return CloseFrame() if head.length is None else LengthFrame(head.length)


async def upload(
    connection: ClientConnection, out: Outgoing, body: AsyncIterator[bytes], stall: float | None
) -> None:
    """Send the body of a request; what goes wrong is handed to who awaits the response.

    ``stall`` is how long the server may take nothing, and then how long it may take to answer.
    """
    writer = connection.writer
    try:
        await send_pieces(writer, body, chunked=out.chunked, length=out.length, stall=stall)
        connection.sent(stall)
    except Stalled as cause:
        connection.fail(caused(DeadlineExceeded(f"an upload failed: {cause}"), cause))
    except WrongLength as cause:
        connection.fail(caused(BadInput(f"an upload failed: {cause}"), cause))
    except Exception as cause:  # noqa: BLE001 (the iterator's own, handed on as it is)
        connection.fail(cause)
    finally:
        await close_body(body)
