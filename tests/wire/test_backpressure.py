"""A slow reader bounds memory on both sides, in both directions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from sutazai.fleet.errors import BadInput
from sutazai.wire import Client, Request, Response, ServerLimits, Timeout
from sutazai.wire.inbound import Inbound
from sutazai.wire.limits import HIGH_WATER
from tests.wire.conftest import Serve
from tests.wire.handlers import Endless, echo, mirror
from tests.wire.peers import DEADLINE

TOTAL = 64 * 1024 * 1024
# What the kernel keeps for both sockets of a connection, and a transport beside it, comes to less.
BOUND = 16 * 1024 * 1024


class Source:
    """An upload that counts what was taken of it."""

    def __init__(self, total: int, piece: int = 65536) -> None:
        self.left = total
        self.piece = b"x" * piece
        self.taken = 0

    async def __call__(self) -> AsyncIterator[bytes]:
        while self.left > 0:
            self.left -= len(self.piece)
            self.taken += len(self.piece)
            yield self.piece
            await asyncio.sleep(0)


async def settled(value: object, name: str) -> int:
    """The attribute ``name`` once it has stopped growing."""
    last = -1
    async with asyncio.timeout(DEADLINE):
        while (now := getattr(value, name)) != last or now == 0:
            last = now
            await asyncio.sleep(0.1)
    return int(now)


async def test_a_handlers_body_waits_for_a_client_that_does_not_read(serve: Serve) -> None:
    handler = Endless(b"x" * 65536)
    running = await serve(handler)
    raw = await running.connect()
    raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await raw.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert await settled(handler, "made") < BOUND
    await raw.close()


async def test_a_handlers_body_waits_for_our_own_client_too(serve: Serve, client: Client) -> None:
    handler = Endless(b"x" * 65536)
    running = await serve(handler)
    response = await client.request("GET", running.unix, "/")
    before = await settled(handler, "made")
    assert before < BOUND
    stream = response.stream()
    for _ in range(200):
        await anext(stream)
    assert await settled(handler, "made") > before
    await stream.aclose()


async def test_a_client_waits_for_a_handler_that_does_not_read(
    serve: Serve, client: Client
) -> None:
    go_on = asyncio.Event()

    async def late(request: Request) -> Response:
        await go_on.wait()
        size = 0
        async for piece in request.stream():
            size += len(piece)
        return Response(200, [], str(size).encode())

    running = await serve(late)
    source = Source(TOTAL)
    sending = asyncio.create_task(
        client.request("POST", running.unix, "/", body=source(), timeout=Timeout(headers=None))
    )
    assert await settled(source, "taken") < BOUND
    go_on.set()
    async with asyncio.timeout(DEADLINE):
        assert await (await sending).read() == str(TOTAL).encode()


async def test_a_relay_keeps_little_between_two_that_differ_in_speed(
    serve: Serve, client: Client
) -> None:
    origin = await serve(mirror)

    async def relay(request: Request) -> Response:
        response = await client.request("POST", origin.unix, "/", body=request.stream())
        return Response(200, [], response.stream())

    running = await serve(relay)
    source = Source(TOTAL)
    async with Client() as other:
        response = await other.request("POST", running.unix, "/", body=source())
        assert await settled(source, "taken") < 2 * BOUND
        size = 0
        async with asyncio.timeout(DEADLINE):
            async for piece in response.stream():
                size += len(piece)
        assert size == TOTAL


async def test_requests_sent_ahead_wait_in_the_client_beyond_a_bound(serve: Serve) -> None:
    may_end = asyncio.Event()

    async def slow(request: Request) -> Response:
        await may_end.wait()
        return Response(200)

    running = await serve(slow)
    raw = await running.connect(unix=True)
    request = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
    sending = asyncio.create_task(raw.send(request * 200_000))
    await asyncio.sleep(0.2)
    assert not sending.done()
    assert raw.writer.transport.get_write_buffer_size() > 0
    sending.cancel()
    may_end.set()
    await raw.close()


async def test_a_body_is_bounded_between_a_connection_and_its_reader() -> None:
    class Flow:
        events: list[str] = []  # noqa: RUF012 (one test's own)

        def pause_body(self) -> None:
            self.events.append("pause")

        def resume_body(self) -> None:
            self.events.append("resume")

        def await_body(self) -> None:
            self.events.append("await")

        def drop_body(self) -> None:
            self.events.append("drop")

    flow = Flow()
    body = Inbound(flow, asyncio.get_running_loop())
    for _ in range(9):
        body.feed(b"x" * (HIGH_WATER // 8))
    assert flow.events == ["pause"] and not body.expecting
    assert len(await body.next_piece()) == HIGH_WATER // 8 * 9
    assert flow.events == ["pause", "resume"] and body.expecting


async def test_an_upload_stops_when_the_answer_is_there_before_its_end(
    serve: Serve, client: Client
) -> None:
    async def refuse(request: Request) -> Response:
        return Response(413, [], b"too much")

    running = await serve(refuse)
    source = Source(TOTAL)
    response = await client.request("POST", running.tcp, "/", body=source())
    assert (response.status, await response.read()) == (413, b"too much")
    assert await settled(source, "taken") < TOTAL


async def test_an_upload_of_another_than_its_declared_length_fails(
    serve: Serve, client: Client
) -> None:
    running = await serve(echo)
    for declared in ("65535", "65537"):
        with pytest.raises(BadInput):
            await client.request(
                "POST",
                running.tcp,
                "/",
                headers=[("Content-Length", declared)],
                body=Source(65536)(),
            )
    response = await client.request(
        "POST", running.tcp, "/", headers=[("Content-Length", "65536")], body=Source(65536)()
    )
    assert len(await response.read()) == 65536


async def test_an_uploads_own_error_reaches_who_sent_it(serve: Serve, client: Client) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"half"
        raise KeyError("bug")

    running = await serve(echo)
    with pytest.raises(KeyError):
        await client.request("POST", running.tcp, "/", body=body())


async def test_a_client_that_takes_nothing_is_cut(serve: Serve) -> None:
    handler = Endless(b"x" * 65536)
    running = await serve(handler, ServerLimits(body_timeout=0.2))
    raw = await running.connect()
    raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await raw.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    async with asyncio.timeout(DEADLINE):
        await handler.closed.wait()
        while running.server.connections:
            await asyncio.sleep(0.01)
    await raw.close()


async def test_a_large_answer_in_one_piece_is_not_cut_for_a_client_that_takes_it_slowly(
    serve: Serve,
) -> None:
    async def large(request: Request) -> Response:
        return Response(200, [("Connection", "close")], b"x" * 8_000_000)

    raw = await (await serve(large)).connect()
    await raw.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    await asyncio.sleep(0.1)
    assert len((await raw.rest()).partition(b"\r\n\r\n")[2]) == 8_000_000
    await raw.close()
