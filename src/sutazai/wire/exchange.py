"""One request's handler and the way of its response to the client."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import cast

from sutazai.fleet.errors import Failed, SutazaiError, drop_traces
from sutazai.wire.messages import Pairs, Request, Response, error_response
from sutazai.wire.outbound import Outgoing, plan_response, usual_response
from sutazai.wire.outbox import Outbox
from sutazai.wire.pushing import Pushed, Sink
from sutazai.wire.writer import (
    Stalled,
    Writer,
    WrongLength,
    close_body,
    send_pieces,
)

log = logging.getLogger("sutazai.wire")

_SERVER_FAILED = Failed("the server failed", hint="its log says why")


def answer_to_failure(request: Request, cause: Exception) -> Response:
    """What the client is told of what a handler raised; to be called where that is caught.

    What is no SutazaiError is a bug, and logged.
    """
    if isinstance(cause, SutazaiError):
        drop_traces(cause)
        return error_response(cause)
    log.exception("the handler of %s %s failed", request.method, request.raw_path)
    return error_response(_SERVER_FAILED)


class Outlet:
    """The way of responses to one client, one after the other.

    The connection passes on when the client takes less than it is given, takes it again, is gone.

    Attributes:
        closing: a body is giving up what it holds, in which its task must not be disturbed.

    Args:
        stall: seconds that the client may take nothing.
        outbox: where usual responses wait for those to others.
    """

    __slots__ = (
        "_begun", "_loop", "_outbox", "_patience", "_pushed", "_sink", "_stall", "closing",
        "writer",
    )  # fmt: skip

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        stall: float,
        outbox: Outbox,
    ) -> None:
        self.writer = Writer(transport)
        self._outbox = outbox
        self._loop = loop
        self._stall = stall
        self._begun: Outgoing | None = None  # before its handler has returned
        self._sink: Sink | None = None
        self._pushed: Pushed | None = None
        self._patience: asyncio.TimerHandle | None = None
        self.closing = False

    # what the connection passes on

    def pause(self) -> None:
        self.writer.pause()
        if self._sink is not None and self._pushed is not None:
            if self._patience is None:
                stalled = Stalled(f"the client took nothing for {self._stall:g} s")
                self._patience = self._loop.call_later(self._stall, self._sink.fail, stalled)
            self._pushed.hold()

    def resume(self) -> None:
        self.writer.resume()
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if self._pushed is not None:
            self._pushed.go_on()

    def lose(self) -> None:
        if self._sink is not None:
            self._sink.lose()
        self._forget()
        self.writer.lose()

    # what a request's task calls

    def begin(
        self, headers: Pairs, body: Pushed, method: str, *, old: bool, keep_alive: bool
    ) -> None:
        """See `Request.begin`. Raises BadInput where it cannot be sent."""
        response = Response(200, headers, body)
        self._begun = out = plan_response(response, method, old=old, keep_alive=keep_alive)
        self._sink, self._pushed = self._new_sink(out), body
        self._sink.send_head()
        out.head = b""
        if not out.bare:
            body.attach(self._sink)

    def post(self, response: Response, method: str) -> bool:
        """Have a usual response leave with those to others, for a client of HTTP/1.1 that keeps up
        and goes on; False where it is not one."""
        writer = self.writer
        if writer.lost or writer.paused or self._begun is not None:
            return False
        try:
            message = usual_response(response, method)
        except Exception:  # noqa: BLE001 (`respond` meets it again, and tells)
            return False
        if message is None:
            return False
        self._outbox.post(writer, message, self._loop)
        return True

    async def respond(
        self, request: Request, response: Response, *, old: bool, keep_alive: bool
    ) -> bool | None:
        """Send ``response``; whether the connection can carry another one after it.

        A response that cannot be sent is a handler's bug: it is logged, and the client told so.
        None where the body could not be brought to its end, which the client must notice: it failed
        under way, is not of its declared length, or the client stalls or is gone.
        """
        try:
            out = self._begun or plan_response(
                response, request.method, old=old, keep_alive=keep_alive
            )
        except Exception:  # whatever a handler returned, the client gets an answer
            log.exception("the response to %s %s cannot be sent", request.method, request.raw_path)
            await self._close(getattr(response, "body", None))
            response = error_response(_SERVER_FAILED)
            out = plan_response(response, request.method, old=old, keep_alive=keep_alive)
        body = response.body
        try:
            if self.writer.lost or (self._begun is not None and response.status != 200):
                return None
            if out.bare:
                self.writer.write(out.head)
            elif isinstance(body, bytes):
                await self._send_whole(out, body)
            elif hasattr(body, "attach"):
                await self._push(out, cast("Pushed", body))
            else:
                await self._send_pieces(out, body)
        except (SutazaiError, Stalled, WrongLength):
            return None
        except Exception:  # a body's bug is one response's failure
            log.exception("the body for %s %s failed", request.method, request.raw_path)
            return None
        finally:
            self._begun = None
            self._forget()
            if not isinstance(body, bytes):
                await self._close(body)
        return out.keep_alive

    async def _send_whole(self, out: Outgoing, body: bytes) -> None:
        writer, sink = self.writer, self._sink
        if sink is None:
            writer.write_all(out.head, body)
        else:
            sink.close(body)
            if sink.error is not None:
                raise sink.error
        if writer.paused:
            await writer.drain(self._stall)

    async def _send_pieces(self, out: Outgoing, body: AsyncIterator[bytes]) -> None:
        writer = self.writer
        writer.write(out.head)
        await send_pieces(writer, body, chunked=out.chunked, length=out.length, stall=self._stall)

    async def _push(self, out: Outgoing, body: Pushed) -> None:
        self._sink = sink = self._sink or self._new_sink(out)
        self._pushed = body
        full = self.writer.paused
        body.attach(sink)
        sink.send_head()
        if full and self.writer.paused:
            self.pause()
        await sink.done
        if sink.error is not None:
            raise sink.error
        if self.writer.paused:
            self._forget()
            await self.writer.drain(self._stall)

    def _new_sink(self, out: Outgoing) -> Sink:
        transport = self.writer.transport
        return Sink(transport, self._loop, out.head, chunked=out.chunked, length=out.length)

    async def _close(self, body: object) -> None:
        self.closing = True
        try:
            await close_body(body)
        finally:
            self.closing = False

    def _forget(self) -> None:
        self._sink = self._pushed = None
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
