"""One client's connection to a server."""

from __future__ import annotations

import asyncio
import re
from typing import Protocol, cast

from sutazai.fleet.errors import BadInput, PeerClosed, SutazaiError, Unavailable
from sutazai.wire.exchange import Outlet, answer_to_failure
from sutazai.wire.framing import BadFrame, ChunkedFrame, Frame, LengthFrame
from sutazai.wire.heads import END, BadHead, HeadReader, RequestHead, parse_request
from sutazai.wire.inbound import EMPTY, Body, Inbound, Whole
from sutazai.wire.limits import HIGH_WATER, LINGER, ServerLimits
from sutazai.wire.messages import Handler, Pairs, Request, RequestTimeout, error_response
from sutazai.wire.outbound import CONTINUE, plan_response
from sutazai.wire.outbox import Outbox
from sutazai.wire.peer import is_gone, peer_name, reset
from sutazai.wire.pushing import Pushed
from sutazai.wire.timer import LazyTimer
from sutazai.wire.wake import Wake

_EMPTY_LINES = re.compile(rb"\A(?:\r\n)+")
# What can be told of a head before its end is here: its start, and line feeds that stand alone.
_HOPELESS = re.compile(rb"\A[^A-Z\r]|(?<!\r)\n")

_HOPELESS_WORDS = "its head is malformed"


class Hub(Protocol):
    """What a connection needs of its server."""

    handler: Handler
    limits: ServerLimits
    outbox: Outbox

    def opened(self, connection: Connection) -> bool:
        """Take a new connection in; False where there are too many."""

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""


class Connection(asyncio.Protocol):
    """Reads requests one after the other; one task answers them all.

    What a client sends ahead (pipelining) waits in ``_ahead`` until its turn, and beyond 64 KiB in
    the client. While ``_deaf`` whatever arrives is dropped: nothing behind a broken message or an
    unread body can be trusted to be a request.

    Attributes:
        listener: the name of the listener that it came in on.
        task: answers its requests; there from the first of them to the connection's end.
        busy: a request is being answered, or about to be.
    """

    __slots__ = (
        "_ahead", "_body", "_deaf", "_eof", "_frame", "_head", "_heads", "_hub", "_in_head",
        "_keep_alive", "_limits", "_loop", "_lost", "_old", "_outlet", "_paused", "_peer",
        "_request", "_retired", "_timer", "_transport", "_turn", "_uninvited", "busy", "listener",
        "task",
    )  # fmt: skip

    _transport: asyncio.Transport
    _head: RequestHead
    _outlet: Outlet
    _timer: LazyTimer

    def __init__(self, hub: Hub, listener: str) -> None:
        self._hub = hub
        self._limits = hub.limits
        self.listener = listener
        self._loop = asyncio.get_running_loop()
        self._peer = ""
        self._ahead = b""
        self._heads = HeadReader(parse_request, hub.limits.header)
        self.task: asyncio.Task[None] | None = None
        self._turn = Wake(self._loop)
        self.busy = False
        self._request: Request | None = None
        self._body: Body = EMPTY
        self._frame: Frame | None = None
        self._in_head = True
        self._old = self._keep_alive = self._uninvited = False
        self._paused = self._deaf = self._eof = self._lost = self._retired = False

    # what the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        hub, limits = self._hub, self._limits
        self._outlet = Outlet(self._transport, self._loop, limits.body_timeout, hub.outbox)
        self._timer = LazyTimer(self._loop, self._timed_out)
        self._peer = peer_name(transport)
        if hub.opened(self):
            self._timer.set(limits.header_timeout)
        else:
            self._write_error(Unavailable("too many are connected", hint="try later"), 503)
            self._close()

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if self._frame is not None:
            self._feed(self._frame, data)
        elif self.busy:
            self._ahead += data
            if len(self._ahead) > HIGH_WATER:
                self._pause()
        else:
            self._next(self._ahead + data if self._ahead else data)
            if self._request is not None:
                self._turn.ring()

    def eof_received(self) -> bool:
        self._eof = True
        if not self.busy or self._frame is not None:
            self._outlet.writer.flush()
            return False  # closes the connection
        self._timer.set(self._limits.half_closed)
        return not is_gone(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._timer.close()
        self._outlet.lose()
        self._hub.closed(self)
        self._stop_work()

    def pause_writing(self) -> None:
        self._outlet.pause()

    def resume_writing(self) -> None:
        self._outlet.resume()

    # what a body calls

    def pause_body(self) -> None:
        self._timer.set(None)
        self._pause()

    def resume_body(self) -> None:
        self._resume()
        self._timer.set(self._limits.body_timeout)

    def await_body(self) -> None:
        """Tell a client that waits for it that its body is wanted."""
        if self._uninvited:
            self._uninvited = False
            self._outlet.writer.write(CONTINUE)
            self._timer.set(self._limits.body_timeout)

    def drop_body(self) -> None:
        self.cut()

    # what the server calls

    def retire(self) -> None:
        """Serve no more requests; one that is being answered is brought to its end."""
        self._retired = True
        self._keep_alive = False
        if not self.busy:
            self._close()

    def forget(self) -> None:
        """See `Server.forget`."""
        self._heads.forget()

    def cut(self) -> None:
        """End at once."""
        self._transport.abort()
        self._stop_work()

    # reading

    def _next(self, data: bytes) -> None:
        """Begin with the next request if its head is in ``data``, and keep what cannot be used."""
        if data.startswith(b"\r\n"):
            data = _EMPTY_LINES.sub(b"", data, count=1)
        try:
            found = self._heads.read(data)
            if found is None:
                self._await_head(data)
        except BadHead as cause:
            self._refuse_head(data, cause)
            return
        if found is None:
            self._ahead = data
        else:
            head, end = found
            self._begin(head, data[end:])

    def _await_head(self, data: bytes) -> None:
        if _HOPELESS.search(data):
            raise BadHead(_HOPELESS_WORDS)
        if data and not self._in_head:
            self._in_head = True
            self._timer.set(self._limits.header_timeout)

    def _refuse_head(self, data: bytes, cause: BadHead) -> None:
        # What was hopeless before the head's end is told in the same words in whatever pieces the
        # head came.
        end, seen = data.find(END), self._limits.header + 3
        if _HOPELESS.search(data, 0, seen if end < 0 else min(end, seen)):
            cause = BadHead(_HOPELESS_WORDS)
        self._write_error(BadInput(f"the request is refused: {cause}"), cause.status)
        self._shut()

    def _begin(self, head: RequestHead, rest: bytes) -> None:
        """The request of ``head`` is next; ``rest`` came with it."""
        if self._outlet.writer.posted:
            self._outlet.writer.flush()
        length = head.length
        self._in_head = False
        self._head = head
        self._old = head.old
        self._keep_alive = head.keep_alive and not self._retired
        self.busy = True
        if length is not None and length <= len(rest):
            body: Body = Whole(rest[:length]) if length else EMPTY
            self._ahead = rest[length:]
        else:
            body = self._open_body(head)
        self._body = body
        limit = self._limits.body
        # A class that is called with keywords takes twice as long.
        self._request = Request(
            head.method,
            head.target,
            head.headers,
            body,
            limit,
            length,
            self.listener,
            self._peer,
            self,
        )
        if self.task is None:
            self.task = self._loop.create_task(self._work(), name="wire-requests")
        if self._eof:
            self._timer.set(self._limits.half_closed)
        if self._frame is not None and rest:
            self._feed(self._frame, rest)

    def _open_body(self, head: RequestHead) -> Inbound:
        self._ahead = b""
        self._frame = ChunkedFrame() if head.length is None else LengthFrame(head.length)
        self._uninvited = head.expects
        self._timer.set(None if head.expects else self._limits.body_timeout)
        return Inbound(self, self._loop)

    def _feed(self, frame: Frame, data: bytes) -> None:
        body = cast("Inbound", self._body)
        self._uninvited = False
        try:
            rest = frame.feed(data, body.feed)
        except BadFrame as cause:
            self._give_up_reading(BadInput(f"the request's body is malformed: {cause}"))
            return
        if rest is not None:
            self._end_body(body, rest)
        elif body.expecting:
            self._timer.set(self._limits.body_timeout)
        body.flush()

    def _end_body(self, body: Inbound, rest: bytes) -> None:
        self._frame = None
        self._timer.set(None)
        body.end()
        self._resume()  # whoever reads the body late still learns that the client is gone
        self._ahead = rest
        if not self.busy:
            self._await_next()
            if self._request is not None:
                self._turn.set()

    def _give_up_reading(self, error: SutazaiError) -> None:
        """The rest of this connection's input cannot be understood or does not come."""
        self._deaf = True
        self._keep_alive = False
        self._frame = None
        self._timer.set(None)
        self._resume()
        if not self.busy:
            self._shut()
        self._body.fail(error)

    # answering

    async def _work(self) -> None:
        try:
            while not self._lost:
                request, self._request = self._request, None
                if request is None:
                    await self._turn
                    continue
                try:
                    response = await (self._head.handler or self._hub.handler)(request)
                except Exception as cause:  # noqa: BLE001 (a handler's bug is one request's failure)
                    response = answer_to_failure(request, cause)
                usual = self._keep_alive and self._body.ended and not self._old
                if usual and self._outlet.post(response, request.method):
                    self.busy = False
                    self._await_next()
                    continue
                done = await self._outlet.respond(
                    request, response, old=self._old, keep_alive=self._can_go_on()
                )
                self._finish(done)
        except BaseException:  # no client is left with half an answer
            self._transport.abort()
            raise
        finally:
            self._deaf = True
            self.task = None  # which may keep what ended it, and with it all that was here

    # what a request calls

    def remember(self, handler: Handler) -> None:
        """See `Request.remember`."""
        self._head.handler = handler

    def specialise(self, handler: Handler) -> None:
        """See `Request.specialise`."""
        if self._head.handler is not None:
            self._head.handler = handler

    def begin_response(self, headers: Pairs, body: Pushed, method: str) -> None:
        """See `Request.begin`."""
        go_on = self._can_go_on()
        self._outlet.begin(headers, body, method, old=self._old, keep_alive=go_on)

    def _can_go_on(self) -> bool:
        """Whether another request can follow, as far as one can tell now."""
        body = self._body
        return self._keep_alive and (body.ended or body.wanted or self._can_skip())

    def _can_skip(self) -> bool:
        """Whether an unread body is passed over: where it is small, and is sure to come.

        A client that waits for leave to send it may as well send its next request.
        """
        small = isinstance(self._frame, LengthFrame) and self._frame.left <= HIGH_WATER
        return small and not self._uninvited

    def _finish(self, keep_alive: bool | None) -> None:
        """Go on after a response; ``keep_alive`` is None where it is not whole."""
        self.busy = False
        if self._lost:
            return
        if keep_alive is None:
            self._cut_short()
        elif not (keep_alive and self._keep_alive):
            self._shut()
        elif self._frame is None:
            self._await_next()
        elif self._can_skip():
            self._body.discard()
            self._timer.set(self._limits.body_timeout)
        else:
            self._shut()

    def _await_next(self) -> None:
        self._body = EMPTY
        self._timer.set(self._limits.idle_timeout)
        if self._paused:
            self._resume()
        if self._ahead:
            self._next(self._ahead)
        if self._eof and not self.busy:
            self._close()

    def _refuse(self, error: SutazaiError, status: int) -> None:
        self._write_error(error, status)
        self._shut()

    def _write_error(self, error: SutazaiError, status: int) -> None:
        response = error_response(error)
        response.status = status
        out = plan_response(response, "GET", old=self._old, keep_alive=False)
        self._outlet.writer.flush()
        self._outlet.writer.write(out.head + cast("bytes", response.body))

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
            # Its body ends with the connection, so an orderly end would look whole.
            reset(self._transport)
        elif self._outlet.writer.paused:
            self._transport.abort()  # it takes nothing, so an orderly end would never come
        else:
            self._close()

    def _close(self) -> None:
        """Close when all is sent that was written, which a client cannot put off for ever."""
        self._deaf = True
        self._outlet.writer.flush()
        self._transport.close()
        self._close_within(None)

    def _close_within(self, seconds: float | None) -> None:
        sending = self._transport.get_write_buffer_size() > 0
        self._timer.set(self._limits.body_timeout if sending else seconds)

    def _timed_out(self) -> None:
        if self._deaf:
            self._transport.abort()
        elif self._frame is not None:
            self._give_up_reading(RequestTimeout("the request's body does not come"))
        elif self.busy:
            if self._eof:
                self.cut()  # half-closed, and for too long
        elif self._in_head and self._ahead:
            self._refuse(RequestTimeout("the request's head does not come"), 408)
        else:
            self._close()

    def _stop_work(self) -> None:
        self._body.fail(PeerClosed("the client went away"))
        if self.task is None:
            return
        if not self.busy:
            self._turn.set()  # it sees that the connection is lost
        elif not (self.task.cancelling() or self._outlet.closing):
            self.task.cancel()  # but what it has to close is not disturbed

    def _pause(self) -> None:
        if not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()
