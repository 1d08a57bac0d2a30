"""One request's handler and the way of its response to the client."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import cast

from sutazai.fleet.errors import Failed, SutazaiError
from sutazai.wire.messages import Request, Response, error_response
from sutazai.wire.outbound import Outgoing, plan_response
from sutazai.wire.pushing import Pushed, Sink
from sutazai.wire.writer import (
    COALESCED_MAX,
    Stalled,
    Writer,
    WrongLength,
    close_body,
    send_pieces,
)

log = logging.getLogger("sutazai.wire")

_SERVER_FAILED = Failed("the server failed", hint="its log says why")


class CutShort(Exception):
    """A response that had begun could not be brought to its end; the client must notice."""


def answer_to_failure(request: Request, cause: Exception) -> Response:
    """What the client is told of what a handler raised; to be called where that is caught.

    What is no SutazaiError is a bug, and logged.
    """
    if isinstance(cause, SutazaiError):
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
    """

    __slots__ = ("_loop", "_patience", "_pushed", "_sink", "_stall", "closing", "writer")

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, stall: float
    ) -> None:
        self.writer = Writer(transport)
        self._loop = loop
        self._stall = stall
        self._sink: Sink | None = None
        self._pushed: Pushed | None = None
        self._patience: asyncio.TimerHandle | None = None
        self.closing = False

    # what the connection passes on

    def pause(self) -> None:
        self.writer.pause()
        if self._sink is not None and self._pushed is not None:
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

    def respond_at_once(
        self, response: Response, method: str, *, old: bool, keep_alive: bool
    ) -> bool | None:
        """Send a small response that is whole, to a client that keeps up: the usual case.

        Whether the connection can carry another one, or None where nothing was done.
        """
        writer = self.writer
        try:
            body = response.body
            if type(body) is not bytes or len(body) > COALESCED_MAX or writer.lost or writer.paused:
                return None
            out = plan_response(response, method, old=old, keep_alive=keep_alive)
        except Exception:  # noqa: BLE001 (`respond` meets it again, and tells)
            return None
        writer.transport.write(out.head if out.bare else out.head + body)
        return out.keep_alive

    async def respond(
        self, request: Request, response: Response, *, old: bool, keep_alive: bool
    ) -> bool:
        """Send ``response``; whether the connection can carry another one after it.

        A response that cannot be sent is a handler's bug: it is logged, and the client told so.
        Raises CutShort where the body fails under way, is not of its declared length, or the client
        stalls or is gone.
        """
        try:
            out = plan_response(response, request.method, old=old, keep_alive=keep_alive)
        except Exception:  # whatever a handler returned, the client gets an answer
            log.exception("the response to %s %s cannot be sent", request.method, request.raw_path)
            await self._close(getattr(response, "body", None))
            response = error_response(_SERVER_FAILED)
            out = plan_response(response, request.method, old=old, keep_alive=keep_alive)
        try:
            await self._send(out, response.body)
        except (SutazaiError, Stalled, WrongLength) as cause:
            raise CutShort(str(cause)) from cause
        except Exception as cause:
            log.exception("the body for %s %s failed", request.method, request.raw_path)
            raise CutShort("the body failed") from cause
        return out.keep_alive

    async def _send(self, out: Outgoing, body: bytes | AsyncIterator[bytes] | Pushed) -> None:
        writer = self.writer
        if isinstance(body, bytes):
            if writer.lost:
                raise Stalled("the client is gone")
            writer.write_all(out.head, b"" if out.bare else body)
            if writer.paused:
                await writer.drain(self._stall)
            return
        try:
            if writer.lost:
                raise Stalled("the client is gone")
            if out.bare:
                writer.write(out.head)
            elif hasattr(body, "attach"):
                await self._push(out, cast("Pushed", body))
            else:
                writer.write(out.head)
                await send_pieces(
                    writer, body, chunked=out.chunked, length=out.length, stall=self._stall
                )
        finally:
            await self._close(body)

    async def _close(self, body: object) -> None:
        self.closing = True
        try:
            await close_body(body)
        finally:
            self.closing = False

    async def _push(self, out: Outgoing, body: Pushed) -> None:
        transport, loop = self.writer.transport, self._loop
        sink = Sink(transport, loop, out.head, chunked=out.chunked, length=out.length)
        self._sink, self._pushed = sink, body
        try:
            body.attach(sink)
            sink.send_head()
            await sink.ended()
            if self.writer.paused:
                self._forget()
                await self.writer.drain(self._stall)
        finally:
            self._forget()

    def _forget(self) -> None:
        self._sink = self._pushed = None
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
