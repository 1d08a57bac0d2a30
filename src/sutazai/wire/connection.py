"""One client's connection to a server."""

from __future__ import annotations

import asyncio
import re
from typing import Protocol, cast

from sutazai.fleet.errors import BadInput, PeerClosed, SutazaiError, Unavailable
from sutazai.wire import exchange
from sutazai.wire.framing import BadFrame, ChunkedFrame, Frame, LengthFrame
from sutazai.wire.headers import Headers
from sutazai.wire.heads import END, BadHead, RequestHead, parse_request
from sutazai.wire.inbound import EMPTY, Inbound
from sutazai.wire.limits import HIGH_WATER, LINGER, ServerLimits
from sutazai.wire.messages import Handler, Request, RequestTimeout, error_response
from sutazai.wire.outbound import CONTINUE, plan_response
from sutazai.wire.peer import is_gone, is_unix, peer_name, reset
from sutazai.wire.timer import LazyTimer
from sutazai.wire.writer import Writer

_EMPTY_LINES = re.compile(rb"\A(?:\r\n)+")
# What can be told of a head before its end is here: its start, and line feeds that stand alone.
_HOPELESS = re.compile(rb"\A[^A-Z\r]|(?<!\r)\n")


_HOPELESS_WORDS = "its head is malformed"


class Hub(Protocol):
    """What a connection needs of its server."""

    handler: Handler
    limits: ServerLimits
    closing: bool

    def opened(self, connection: Connection) -> bool:
        """Take a new connection in; False where there are too many."""

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""


class Connection(asyncio.Protocol):
    """Reads requests one after the other, each answered by a task of its own.

    What a client sends ahead (pipelining) waits in ``_ahead`` until its turn, and beyond 64 KiB in
    the client. While ``_deaf`` whatever arrives is dropped: nothing behind a broken message or an
    unread body can be trusted to be a request.
    """

    __slots__ = (
        "_ahead", "_body", "_deaf", "_eof", "_frame", "_hub", "_in_head", "_keep_alive",
        "_listener", "_lost", "_old", "_paused", "_peer", "_timer", "_transport", "_writer", "task",
    )  # fmt: skip

    _transport: asyncio.Transport
    _writer: Writer
    _timer: LazyTimer

    def __init__(self, hub: Hub, listener: str) -> None:
        self._hub = hub
        self._listener = listener
        self._peer = ""
        self._ahead = b""
        self.task: asyncio.Task[None] | None = None
        self._body: Inbound | None = None
        self._frame: Frame | None = None
        self._in_head = True
        self._old = self._keep_alive = False
        self._paused = self._deaf = self._eof = self._lost = False

    # what the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._writer = Writer(self._transport)
        self._timer = LazyTimer(asyncio.get_running_loop(), self._timed_out)
        self._peer = peer_name(transport)
        if self._hub.opened(self):
            self._timer.set(self._hub.limits.header_timeout)
        else:
            self._write_error(Unavailable("too many are connected", hint="try later"), 503)
            self._close()

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if self._frame is not None:
            self._feed(self._frame, data)
            return
        self._ahead = self._ahead + data if self._ahead else data
        if self.task is None:
            self._next()
        elif len(self._ahead) > HIGH_WATER:
            self._pause()

    def eof_received(self) -> bool:
        self._eof = True
        if self.task is None or self._frame is not None:
            return False  # closes the connection
        self._limit_half_closed()
        return not (is_unix(self._transport) and is_gone(self._transport))

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._timer.cancel()
        self._writer.lose()
        self._hub.closed(self)
        self._stop_work()

    def pause_writing(self) -> None:
        self._writer.pause()

    def resume_writing(self) -> None:
        self._writer.resume()

    # what a body that nobody reads calls

    def pause_body(self) -> None:
        self._timer.set(None)
        self._pause()

    def resume_body(self) -> None:
        self._resume()
        self._timer.set(self._hub.limits.body_timeout)

    # what the server calls

    def retire(self) -> None:
        """Serve no more requests; one that is being answered is brought to its end."""
        if self.task is None:
            self._close()

    def cut(self) -> None:
        """End at once."""
        self._transport.abort()
        self._stop_work()

    # reading

    def _next(self) -> None:
        """Begin with the next request if its head is here."""
        if self._ahead[:2] == b"\r\n":
            self._ahead = _EMPTY_LINES.sub(b"", self._ahead, count=1)
        data = self._ahead
        end = data.find(END)
        try:
            head = self._parse(data, end)
        except BadHead as cause:
            self._refuse_head(data, end, cause)
            return
        if head is not None:
            self._ahead = b""
            self._begin(head)
            self._take_rest(data[end + 4 :])

    def _parse(self, data: bytes, end: int) -> RequestHead | None:
        """The head, or None while it is not all here. Raises BadHead."""
        limit = self._hub.limits.header
        if end > limit or (end < 0 and len(data) > limit + 3):
            raise BadHead(f"its head is longer than {limit} bytes", 431)
        if end >= 0:
            return parse_request(data[: end + 4])
        self._await_head(data)
        return None

    def _await_head(self, data: bytes) -> None:
        if _HOPELESS.search(data):
            raise BadHead(_HOPELESS_WORDS)
        if data and not self._in_head:
            self._in_head = True
            self._timer.set(self._hub.limits.header_timeout)

    def _refuse_head(self, data: bytes, end: int, cause: BadHead) -> None:
        # What was hopeless before the head's end is told in the same words in whatever pieces the
        # head came.
        seen = self._hub.limits.header + 3
        if _HOPELESS.search(data, 0, seen if end < 0 else min(end, seen)):
            cause = BadHead(_HOPELESS_WORDS)
        self._write_error(BadInput(f"the request is refused: {cause}"), cause.status)
        self._shut()

    def _take_rest(self, rest: bytes) -> None:
        if self._frame is None:
            self._ahead = rest
        elif rest:
            self._feed(self._frame, rest)

    def _begin(self, head: RequestHead) -> None:
        self._in_head = False
        self._timer.set(None)
        self._old, self._keep_alive = head.old, head.keep_alive
        self._body = body = self._open_body(head)
        request = Request(
            head.method,
            head.target,
            headers=Headers(head.pairs),
            body=body,
            limit=self._hub.limits.body,
            listener=self._listener,
            peer=self._peer,
        )
        work = self._serve(request, body)
        self.task = asyncio.get_running_loop().create_task(work, name="wire-request")
        if self._eof:
            self._limit_half_closed()

    def _open_body(self, head: RequestHead) -> Inbound:
        if head.length == 0:
            return EMPTY
        self._frame = ChunkedFrame() if head.length is None else LengthFrame(head.length)
        body = Inbound(self)
        if head.expects:
            body.on_wait = self._invite
        else:
            self._timer.set(self._hub.limits.body_timeout)
        return body

    def _invite(self) -> None:
        """Tell a client that waits for it that its body is wanted."""
        self._writer.write(CONTINUE)
        self._timer.set(self._hub.limits.body_timeout)

    def _feed(self, frame: Frame, data: bytes) -> None:
        body = cast("Inbound", self._body)
        body.on_wait = None
        try:
            rest = frame.feed(data, body.feed)
        except BadFrame as cause:
            self._give_up_reading(BadInput(f"the request's body is malformed: {cause}"))
            return
        if rest is not None:
            self._end_body(body, rest)
        elif body.expecting:
            self._timer.set(self._hub.limits.body_timeout)

    def _end_body(self, body: Inbound, rest: bytes) -> None:
        self._frame = None
        self._timer.set(None)
        body.end()
        self._resume()  # whoever reads the body late still learns that the client is gone
        self._ahead = rest
        if self.task is None:
            self._await_next()

    def _give_up_reading(self, error: SutazaiError) -> None:
        """The rest of this connection's input cannot be understood or does not come."""
        self._deaf = True
        self._frame = None
        self._timer.set(None)
        if self._body is not None:
            self._body.fail(error)
        self._resume()
        if self.task is None:
            self._shut()

    # answering

    async def _serve(self, request: Request, body: Inbound) -> None:
        try:
            response = await exchange.answer(self._hub.handler, request)
            keep_alive = await exchange.respond(
                self._writer,
                request,
                response,
                old=self._old,
                keep_alive=self._may_go_on(body),
                stall=self._hub.limits.body_timeout,
            )
        except exchange.CutShort:
            self.task = None
            if not self._lost:
                self._cut_short()
        except BaseException:
            self.task = None
            self._transport.abort()
            raise
        else:
            self.task = None
            if not self._lost:
                self._finish(body, keep_alive)

    def _may_go_on(self, body: Inbound) -> bool:
        """Whether another request can follow on this connection, as far as one can tell now."""
        if not self._keep_alive or self._deaf or self._hub.closing:
            return False
        return body.ended or body.wanted or self._can_skip(body)

    def _can_skip(self, body: Inbound) -> bool:
        """Whether an unread body is passed over: where it is small, and is sure to come.

        A client that waits for leave to send it may as well send its next request.
        """
        small = isinstance(self._frame, LengthFrame) and self._frame.left <= HIGH_WATER
        return small and body.on_wait is None

    def _finish(self, body: Inbound, keep_alive: bool) -> None:
        if not keep_alive or self._deaf or self._hub.closing:
            self._shut()
        elif self._frame is None:
            self._await_next()
        elif self._can_skip(body):
            body.discard()
            self._timer.set(self._hub.limits.body_timeout)
        else:
            self._shut()

    def _await_next(self) -> None:
        self._body = None
        self._timer.set(self._hub.limits.idle_timeout)
        self._resume()
        if self._ahead:
            self._next()
        if self._eof and self.task is None:
            self._close()

    def _refuse(self, error: SutazaiError, status: int) -> None:
        self._write_error(error, status)
        self._shut()

    def _write_error(self, error: SutazaiError, status: int) -> None:
        response = error_response(error)
        response.status = status
        out = plan_response(response, "GET", old=self._old, keep_alive=False)
        self._writer.write(out.head + cast("bytes", response.body))

    # ending

    def _shut(self) -> None:
        """Close in such a way that the client reads the last response.

        Input that comes to a closed socket resets the connection, and a reset can overtake the
        response; so only the sending side is closed, and what still comes is dropped for a while.
        """
        if self._transport.is_closing():
            return
        if self._eof:
            self._close()
            return
        self._deaf = True
        self._transport.write_eof()
        self._resume()
        self._close_within(LINGER)

    def _cut_short(self) -> None:
        """Let the client notice that its response is not whole."""
        if self._old:
            reset(
                self._transport
            )  # its body ends with the connection, so an orderly end would look whole
        elif self._writer.paused:
            self._transport.abort()  # it takes nothing, so an orderly end would never come
        else:
            self._close()

    def _close(self) -> None:
        """Close when all is sent that was written, which a client cannot put off for ever."""
        self._deaf = True
        self._transport.close()
        self._close_within(None)

    def _close_within(self, seconds: float | None) -> None:
        sending = self._transport.get_write_buffer_size() > 0
        self._timer.set(self._hub.limits.body_timeout if sending else seconds)

    def _timed_out(self) -> None:
        if self._deaf:
            self._transport.abort()
        elif self._frame is not None:
            self._give_up_reading(RequestTimeout("the request's body does not come"))
        elif self.task is not None:
            self.cut()  # half-closed, and for too long
        elif self._in_head and self._ahead:
            self._refuse(RequestTimeout("the request's head does not come"), 408)
        else:
            self._close()

    def _stop_work(self) -> None:
        if self._body is not None:
            self._body.fail(PeerClosed("the client went away"))
        if self.task is not None:
            self.task.cancel()

    def _limit_half_closed(self) -> None:
        if not is_unix(self._transport):
            self._timer.set(self._hub.limits.half_closed)

    def _pause(self) -> None:
        if not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()
