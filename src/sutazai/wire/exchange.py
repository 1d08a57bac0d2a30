"""One request's handler and the way of its response to the client."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

from sutazai.fleet.errors import Failed, SutazaiError
from sutazai.wire.messages import Handler, Request, Response, error_response
from sutazai.wire.outbound import Outgoing, plan_response
from sutazai.wire.writer import Stalled, Writer, WrongLength, close_iterator, send_pieces

log = logging.getLogger("sutazai.wire")

_SERVER_FAILED = Failed("the server failed", hint="its log says why")


class CutShort(Exception):
    """A response that had begun could not be brought to its end; the client must notice."""


async def answer(handler: Handler, request: Request) -> Response:
    """What ``handler`` says, its errors as responses."""
    try:
        return await handler(request)
    except SutazaiError as error:
        return error_response(error)
    except Exception:  # a handler's bug is one request's failure
        log.exception("the handler of %s %s failed", request.method, request.raw_path)
        return error_response(_SERVER_FAILED)


async def respond(
    writer: Writer,
    request: Request,
    response: Response,
    *,
    old: bool,
    keep_alive: bool,
    stall: float,
) -> bool:
    """Send ``response``; whether the connection can carry another one after it.

    ``stall`` is how long the client may take nothing, in seconds. A response that cannot be sent is
    a handler's bug: it is logged, and the client told so. Raises CutShort where the body fails
    under way, is not of its declared length, or the client stalls.
    """
    try:
        out = plan_response(response, request.method, old=old, keep_alive=keep_alive)
    except Exception:  # whatever a handler returned, the client gets an answer
        log.exception("the response to %s %s cannot be sent", request.method, request.raw_path)
        await close_iterator(getattr(response, "body", None))
        response = error_response(_SERVER_FAILED)
        out = plan_response(response, request.method, old=old, keep_alive=keep_alive)
    try:
        await _send(writer, out, response.body, stall)
    except (SutazaiError, Stalled, WrongLength) as cause:
        raise CutShort(str(cause)) from cause
    except Exception as cause:
        log.exception("the body for %s %s failed", request.method, request.raw_path)
        raise CutShort("the body failed") from cause
    return out.keep_alive


async def _send(
    writer: Writer, out: Outgoing, body: bytes | AsyncIterator[bytes], stall: float
) -> None:
    if writer.lost:
        await close_iterator(body)
        raise Stalled("the client is gone")
    if isinstance(body, bytes):
        writer.write_all(out.head, b"" if out.bare else body)
        if writer.paused:
            await writer.drain(stall)
        return
    try:
        writer.write(out.head)
        if not out.bare:
            await send_pieces(writer, body, chunked=out.chunked, length=out.length, stall=stall)
    finally:
        await close_iterator(body)
