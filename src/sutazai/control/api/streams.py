"""Answers that go on: server-sent events, and answers of a peer handed through as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from typing import Any, TypeVar

from fastapi import Request
from starlette.responses import StreamingResponse

from sutazai.wire import ClientResponse

KEEP_ALIVE = 15.0
"""Seconds of silence after which a comment shows that the stream still lives."""
COMMENT = b": still here\n\n"
EVENT_STREAM = "text/event-stream"

T = TypeVar("T")


def event_stream(events: AsyncGenerator[bytes], stopping: asyncio.Event) -> StreamingResponse:
    """Encoded events as they come, until they end, the client goes, or control stops."""
    return StreamingResponse(
        _kept_alive(events, stopping),
        media_type=EVENT_STREAM,
        headers={"cache-control": "no-cache", "x-accel-buffering": "no"},
    )


def handed_through(response: ClientResponse, stopping: asyncio.Event) -> StreamingResponse:
    """A peer's answer, whose body is still to come."""
    headers = {
        name: value
        for name in ("content-type", "cache-control", "retry-after")
        if (value := response.headers.get(name)) is not None
    }
    return StreamingResponse(_until(response, stopping), response.status, headers)


async def while_connected(request: Request, work: Awaitable[T]) -> T | None:
    """What ``work`` gives; None, and ``work`` cancelled, when the client went away before.

    To be called once the request's body was read.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.create_task(_gone(request), name="client leaves")
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        await _ended(working, leaving)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _kept_alive(
    events: AsyncGenerator[bytes], stopping: asyncio.Event
) -> AsyncIterator[bytes]:
    stop = asyncio.create_task(stopping.wait(), name="stream ends with control")
    coming = asyncio.ensure_future(_next(events))
    try:
        while True:
            done, _ = await asyncio.wait(
                {coming, stop}, timeout=KEEP_ALIVE, return_when=asyncio.FIRST_COMPLETED
            )
            if stop in done:
                return
            if coming in done:
                event = coming.result()
                if event is None:
                    return
                yield event
                coming = asyncio.ensure_future(_next(events))
            else:
                yield COMMENT
    finally:
        await _ended(stop, coming)
        await events.aclose()


async def _next(events: AsyncIterator[bytes]) -> bytes | None:
    return await anext(events, None)


async def _until(response: ClientResponse, stopping: asyncio.Event) -> AsyncIterator[bytes]:
    closing = asyncio.create_task(
        _close(response, stopping), name="peer's answer ends with control"
    )
    try:
        async for piece in response.stream():
            yield piece
    finally:
        await _ended(closing)
        await response.close()


async def _close(response: ClientResponse, stopping: asyncio.Event) -> None:
    await stopping.wait()
    await response.close()


async def _ended(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
