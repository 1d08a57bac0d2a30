"""Responses that begin before their handler knows what they will be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from sutazai.fleet.errors import NotFound, PeerClosed
from sutazai.wire import Client, Pushed, Request, Response, ServerLimits
from tests.wire.conftest import Serve
from tests.wire.peers import DEADLINE
from tests.wire.test_pushed import Body, attached, closed, not_reading, say

HEADERS = (("content-type", "text/plain"),)


class Begun:
    """A handler that says a word first, and answers with ``body`` when it is let go on."""

    def __init__(self, body: bytes | AsyncIterator[bytes] | Pushed, status: int = 200) -> None:
        self.first = Body(lambda sink: sink.write(b"wait,"))
        self.go = asyncio.Event()
        self.cancelled = asyncio.Event()
        self._body = body
        self._status = status

    async def __call__(self, request: Request) -> Response:
        request.begin(HEADERS, self.first)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return Response(self._status, [("x-late", "1")], self._body)


async def pieces() -> AsyncIterator[bytes]:
    yield b"one,"
    await asyncio.sleep(0)
    yield b"two"


@pytest.mark.parametrize(
    "body", [lambda: b"one,two", pieces, lambda: Body(say(b"one,", last=b"two"))]
)  # fmt: skip
async def test_what_the_handler_returns_goes_on_after_it(
    serve: Serve, client: Client, body: type[Body]
) -> None:
    handler = Begun(body())
    running = await serve(handler)
    response = await client.request("GET", running.tcp, "/")
    assert response.status == 200 and response.headers.get("content-type") == "text/plain"
    assert "x-late" not in response.headers
    assert await response.next_piece() == b"wait,"
    handler.go.set()
    assert await response.read() == b"one,two"
    again = await client.request("GET", running.tcp, "/")
    assert again.status == 200 and running.server.connections == 1
    await again.close()


async def test_nothing_but_the_head_goes_out_for_a_head(serve: Serve) -> None:
    handler = Begun(b"never")
    handler.go.set()
    raw = await (await serve(handler)).connect()
    await raw.send(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n" * 2)
    for _ in range(2):
        assert (await raw.head()).startswith(b"HTTP/1.1 200 ")
    await raw.close()


async def test_an_old_client_gets_it_to_the_connections_end(serve: Serve) -> None:
    handler = Begun(b"one")
    handler.go.set()
    raw = await (await serve(handler)).connect()
    await raw.send(b"GET / HTTP/1.0\r\n\r\n")
    await raw.head()
    async with asyncio.timeout(DEADLINE):
        assert await raw.reader.read() == b"wait,one"
    await raw.close()


async def test_an_error_after_it_cuts_the_stream(serve: Serve, client: Client) -> None:
    async def failing(request: Request) -> Response:
        request.begin(HEADERS, Body(lambda sink: sink.write(b"wait,")))
        raise NotFound("nothing here")

    for handler in (failing, Begun(b"no", status=404)):
        if isinstance(handler, Begun):
            handler.go.set()
        response = await client.request("GET", (await serve(handler)).tcp, "/")
        assert response.status == 200
        with pytest.raises(PeerClosed):
            await response.read()


async def test_a_client_that_does_not_read_holds_what_goes_on(serve: Serve) -> None:
    body = Body()
    handler = Begun(body)
    handler.first = Body(lambda sink: sink.write(b"x" * (32 * 1024 * 1024)))
    handler.go.set()
    raw = await not_reading(await serve(handler))
    async with asyncio.timeout(DEADLINE):
        await body.held.wait()
    await raw.reset()
    await closed(body)


async def test_a_client_that_took_nothing_for_long_is_cut(serve: Serve) -> None:
    handler = Begun(b"late")
    handler.first = Body(lambda sink: sink.write(b"x" * (32 * 1024 * 1024)))
    running = await serve(handler, ServerLimits(body_timeout=0.1))
    raw = await not_reading(running)
    async with asyncio.timeout(DEADLINE):
        sink = await attached(handler.first)
        while not sink.over:
            await asyncio.sleep(0.01)
        handler.go.set()
        while running.server.connections:
            await asyncio.sleep(0.01)
    await raw.reset()


async def test_who_leaves_meanwhile_cancels_the_handler(serve: Serve, client: Client) -> None:
    handler = Begun(b"never")
    running = await serve(handler)
    response = await client.request("GET", running.tcp, "/")
    assert await response.next_piece() == b"wait,"
    await response.close()
    async with asyncio.timeout(DEADLINE):
        await handler.cancelled.wait()
