"""Handlers that tests serve."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from sutazai.wire import Request, Response, json_response


async def echo(request: Request) -> Response:
    """What came, with its body."""
    body = await request.read()
    return Response(200, [("x-method", request.method), ("x-target", request.target)], body)


async def mirror(request: Request) -> Response:
    """The body sent back while it comes."""
    return Response(200, [], request.stream())


async def describe(request: Request) -> Response:
    """What a handler can know of a request."""
    return json_response(
        {
            "method": request.method,
            "target": request.target,
            "path": request.path,
            "query": request.query,
            "headers": list(request.headers),
            "listener": request.listener,
            "peer": request.peer,
        }
    )


async def count(request: Request) -> Response:
    """Three pieces, one after the other."""

    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"one,", b"", b"two,", b"three"):
            await asyncio.sleep(0)
            yield piece

    return Response(200, [], pieces())


class Stuck:
    """A handler that never answers by itself, and tells what happens to it."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def __call__(self, request: Request) -> Response:
        self.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        raise AssertionError("unreachable")


class Endless:
    """A handler whose body never ends, and tells how much was taken and when it was closed."""

    def __init__(self, piece: bytes = b"x" * 8192, pause: float = 0.0) -> None:
        self.piece = piece
        self.pause = pause
        self.made = 0
        self.started = asyncio.Event()
        self.closed = asyncio.Event()

    async def __call__(self, request: Request) -> Response:
        return Response(200, [], self._pieces())

    async def _pieces(self) -> AsyncIterator[bytes]:
        try:
            while True:
                self.made += len(self.piece)
                yield self.piece
                self.started.set()
                await asyncio.sleep(self.pause)
        finally:
            self.closed.set()


class Lease:
    """A body that says when it is closed, also when it was never begun."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await asyncio.sleep(0)
        return b"more"

    async def aclose(self) -> None:
        self.closed.set()
