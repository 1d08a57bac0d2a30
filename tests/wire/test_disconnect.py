"""Whoever goes away early is noticed at once, in every phase, and the work for them stops."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from sutazai.fleet.errors import PeerClosed
from sutazai.wire import Address, Client, Request, Response, Timeout
from sutazai.wire.limits import HIGH_WATER
from tests.wire.conftest import Serve
from tests.wire.handlers import Endless, Lease, Stuck, count, echo
from tests.wire.peers import DEADLINE, Raw, Running, ScriptedServer

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
UNIX = pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
HOW = pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])


async def leave(raw: Raw, *, reset: bool) -> None:
    await (raw.reset() if reset else raw.close())


async def nobody_left(running: Running) -> None:
    async with asyncio.timeout(DEADLINE):
        while running.server.connections:
            await asyncio.sleep(0.005)


@UNIX
@HOW
@pytest.mark.parametrize(
    "sent",
    [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: h\r\n", b"\r\n"],
    ids=["before a byte", "in the first line", "in the headers", "in an empty line"],
)
async def test_leaving_before_the_head_is_whole_starts_nothing(
    serve: Serve, sent: bytes, unix: bool, reset: bool
) -> None:
    handler = Stuck()
    running = await serve(handler)
    raw = await running.connect(unix=unix)
    await raw.send(sent)
    await asyncio.sleep(0.01)
    await leave(raw, reset=reset)
    await nobody_left(running)
    assert not handler.started.is_set()


@UNIX
@HOW
async def test_leaving_while_the_body_is_sent_cancels_who_reads_it(
    serve: Serve, unix: bool, reset: bool
) -> None:
    got, ended = asyncio.Event(), asyncio.Event()

    async def read(request: Request) -> Response:
        try:
            async for _ in request.stream():
                got.set()
        finally:
            ended.set()
        raise AssertionError("the body is not whole")

    running = await serve(read)
    raw = await running.connect(unix=unix)
    await raw.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf")
    async with asyncio.timeout(DEADLINE):
        await got.wait()
        await leave(raw, reset=reset)
        await ended.wait()
    await nobody_left(running)


@UNIX
@HOW
async def test_leaving_while_the_handler_works_cancels_it(
    serve: Serve, unix: bool, reset: bool
) -> None:
    handler = Stuck()
    running = await serve(handler)
    raw = await running.connect(unix=unix)
    await raw.send(GET)
    async with asyncio.timeout(DEADLINE):
        await handler.started.wait()
        await leave(raw, reset=reset)
        await handler.cancelled.wait()
    await nobody_left(running)


async def test_leaving_with_requests_sent_ahead_cancels_and_starts_no_other(serve: Serve) -> None:
    handler = Stuck()
    running = await serve(handler)
    raw = await running.connect(unix=True)
    await raw.send(GET * 3)
    async with asyncio.timeout(DEADLINE):
        await handler.started.wait()
        handler.started.clear()
        await raw.close()
        await handler.cancelled.wait()
    await nobody_left(running)
    assert not handler.started.is_set()


async def test_leaving_is_noticed_also_when_a_large_body_was_not_read_yet(serve: Serve) -> None:
    handler = Stuck()
    running = await serve(handler)
    raw = await running.connect(unix=True)
    size = HIGH_WATER * 2
    await raw.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size)
    await raw.send(b"x" * size)
    async with asyncio.timeout(DEADLINE):
        await handler.started.wait()
        await asyncio.sleep(0.05)
        await raw.close()
        await handler.cancelled.wait()
    await nobody_left(running)


@UNIX
@HOW
async def test_leaving_while_the_answer_streams_closes_its_iterator(
    serve: Serve, unix: bool, reset: bool
) -> None:
    handler = Endless(pause=0.001)
    running = await serve(handler)
    raw = await running.connect(unix=unix)
    await raw.send(GET)
    await raw.head()
    async with asyncio.timeout(DEADLINE):
        await leave(raw, reset=reset)
        await handler.closed.wait()
    await nobody_left(running)


@HOW
async def test_leaving_while_the_answer_waits_for_its_reader_closes_its_iterator(
    serve: Serve, reset: bool
) -> None:
    handler = Endless()
    running = await serve(handler)
    raw = await running.connect()
    raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await raw.send(GET)
    made = -1
    while handler.made != made:  # until nothing fits any more
        made = handler.made
        await asyncio.sleep(0.05)
    async with asyncio.timeout(DEADLINE):
        await leave(raw, reset=reset)
        await handler.closed.wait()
    await nobody_left(running)


async def test_a_handler_that_hears_of_it_and_answers_all_the_same_is_stopped(
    serve: Serve,
) -> None:
    lease, started = Lease(), asyncio.Event()

    async def stubborn(request: Request) -> Response:
        started.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return Response(200, [], lease)

    running = await serve(stubborn)
    raw = await running.connect(unix=True)
    await raw.send(GET)
    async with asyncio.timeout(DEADLINE):
        await started.wait()
        await raw.close()
        await lease.closed.wait()
    await nobody_left(running)


async def test_an_iterator_that_was_never_begun_is_closed_too(serve: Serve) -> None:
    lease = Lease()

    async def handler(request: Request) -> Response:
        return Response(200, [], lease)

    raw = await (await serve(handler)).connect()
    await raw.send(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
    await raw.head()
    assert lease.closed.is_set()
    await raw.close()


@UNIX
async def test_a_client_that_gives_up_is_noticed_at_the_server(
    serve: Serve, client: Client, unix: bool
) -> None:
    handler = Stuck()
    running = await serve(handler)
    request = asyncio.create_task(client.request("GET", running.unix if unix else running.tcp, "/"))
    async with asyncio.timeout(DEADLINE):
        await handler.started.wait()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        await handler.cancelled.wait()
    await nobody_left(running)


async def test_closing_an_answer_that_was_not_read_is_noticed_at_the_server(
    serve: Serve, client: Client
) -> None:
    handler = Endless(pause=0.001)
    running = await serve(handler)
    async with await client.request("GET", running.tcp, "/") as response:
        assert response.status == 200
    async with asyncio.timeout(DEADLINE):
        await handler.closed.wait()
    with pytest.raises(PeerClosed):
        await response.read()
    await nobody_left(running)


@pytest.mark.parametrize("begun", [False, True])
async def test_closing_the_stream_of_an_answer_closes_the_answer(
    serve: Serve, client: Client, begun: bool
) -> None:
    handler = Endless(pause=0.001)
    running = await serve(handler)
    stream = (await client.request("GET", running.tcp, "/")).stream()
    if begun:
        await anext(stream)
    async with asyncio.timeout(DEADLINE):
        await stream.aclose()
        await handler.closed.wait()


async def test_a_disconnect_travels_through_a_relay(serve: Serve, client: Client) -> None:
    far = Endless(pause=0.001)
    origin = await serve(far)

    async def relay(request: Request) -> Response:
        response = await client.request("GET", origin.unix, "/")
        return Response(response.status, [], response.stream())

    raw = await (await serve(relay)).connect()
    await raw.send(GET)
    await raw.head()
    async with asyncio.timeout(DEADLINE):
        await raw.close()
        await far.closed.wait()
    await nobody_left(origin)


HEADS = {
    "declared": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "until the end": b"HTTP/1.1 200 OK\r\n\r\n",
}


@HOW
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        HEADS["declared"] + b"half",
        HEADS["chunked"],
        HEADS["chunked"] + b"5",
        HEADS["chunked"] + b"5\r\nhel",
        HEADS["chunked"] + b"5\r\nhello",
        HEADS["chunked"] + b"5\r\nhello\r\n",
        HEADS["chunked"] + b"5\r\nhello\r\n0\r\n",
        HEADS["chunked"] + b"5\r\nhello\r\n0\r\nX: y\r\n",
    ],
)
async def test_an_answer_that_is_cut_short_is_an_error_and_never_a_success(
    client: Client, scripted: Callable[..., ScriptedServer], answer: bytes, reset: bool
) -> None:
    server = scripted(answer, reset=reset)
    with pytest.raises(PeerClosed):
        await (await client.request("GET", server.address, "/")).read()


async def test_an_answer_without_a_length_ends_with_its_connection(
    client: Client, scripted: Callable[..., ScriptedServer]
) -> None:
    server = scripted(HEADS["until the end"] + b"all of it")
    response = await client.request("GET", server.address, "/")
    assert await response.read() == b"all of it"


async def test_an_answer_without_a_length_that_is_reset_is_an_error(
    client: Client, scripted: Callable[..., ScriptedServer]
) -> None:
    server = scripted(HEADS["until the end"] + b"half", reset=True)
    with pytest.raises(PeerClosed):
        await (await client.request("GET", server.address, "/")).read()


async def test_an_answer_from_this_house_that_fails_under_way_is_an_error(
    serve: Serve, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    async def failing(request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"half"
            raise RuntimeError("bug")

        return Response(200, [], pieces())

    running = await serve(failing)
    with pytest.raises(PeerClosed):
        await (await client.request("GET", running.tcp, "/")).read()
    assert "bug" in caplog.text


async def test_an_old_client_sees_an_answer_that_fails_as_a_reset(serve: Serve) -> None:
    async def failing(request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"half"
            await asyncio.sleep(0.02)
            raise PeerClosed("the backend went away")

        return Response(200, [], pieces())

    raw = await (await serve(failing)).connect()
    await raw.send(b"GET / HTTP/1.0\r\n\r\n")
    with pytest.raises(ConnectionResetError):
        await raw.rest()
    await raw.close()


async def test_a_server_that_dies_while_it_is_sent_to_is_an_error(client: Client) -> None:
    async def slam(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1000)
        writer.transport.abort()

    server = await asyncio.start_server(slam, "127.0.0.1", 0)
    address = Address.parse(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    closed = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 65536
        finally:
            closed.set()

    with pytest.raises(PeerClosed):
        await client.request("POST", address, "/", body=body(), timeout=Timeout(headers=5))
    assert closed.is_set()
    server.close()


async def test_work_goes_on_for_others_when_one_leaves(serve: Serve, client: Client) -> None:
    running = await serve(count)
    raw = await running.connect()
    await raw.send(GET + GET[:10])
    await raw.close()
    response = await client.request("GET", running.tcp, "/")
    assert await response.read() == b"one,two,three"
    assert (await (await serve(echo)).exchange(GET[:-2] + b"Connection: close\r\n\r\n"))[:15]
