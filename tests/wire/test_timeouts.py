"""Every wait has its bound, and so has the number of clients."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from sutazai.fleet.errors import ConnectFailed, DeadlineExceeded
from sutazai.wire import Address, Client, ClientLimits, Request, Response, ServerLimits, Timeout
from sutazai.wire.timer import LazyTimer
from tests.wire.conftest import Serve
from tests.wire.handlers import Stuck, echo
from tests.wire.peers import DEADLINE, ScriptedServer

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_a_client_that_says_nothing_is_left_without_a_word(serve: Serve) -> None:
    running = await serve(echo, ServerLimits(header_timeout=0.05))
    assert await running.exchange(b"") == b""


async def test_a_head_that_does_not_end_is_refused_however_it_drips(serve: Serve) -> None:
    running = await serve(echo, ServerLimits(header_timeout=0.2))
    raw = await running.connect()

    async def drip() -> None:
        await raw.send(b"GET / HTTP/1.1\r\n")
        while True:
            await raw.send(b"X: y\r\n")
            await asyncio.sleep(0.01)

    dripping = asyncio.create_task(drip())
    assert (await raw.rest()).startswith(b"HTTP/1.1 408 ")
    dripping.cancel()
    await raw.close()


async def test_the_bound_holds_for_the_second_head_of_a_connection(serve: Serve) -> None:
    running = await serve(echo, ServerLimits(header_timeout=0.1, idle_timeout=60))
    raw = await running.connect()
    await raw.send(GET + b"GET / HT")
    await raw.response()
    assert (await raw.rest()).startswith(b"HTTP/1.1 408 ")
    await raw.close()


async def test_a_body_that_does_not_come_is_refused(serve: Serve) -> None:
    running = await serve(echo, ServerLimits(body_timeout=0.1))
    answer = await running.exchange(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhe")
    assert answer.startswith(b"HTTP/1.1 408 ") and b"connection: close" in answer


async def test_a_body_that_was_invited_and_does_not_come_is_refused(serve: Serve) -> None:
    running = await serve(echo, ServerLimits(body_timeout=0.1))
    answer = await running.exchange(
        b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 408 ")


async def test_a_body_that_keeps_coming_may_take_long(serve: Serve) -> None:
    running = await serve(echo, ServerLimits(body_timeout=1.5))
    raw = await running.connect()
    await raw.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\n")
    for _ in range(8):
        await raw.send(b"x")
        await asyncio.sleep(0.25)
    assert await raw.response() == (200, b"x" * 8)
    await raw.close()


async def test_a_client_is_not_blamed_for_a_handler_that_does_not_read(serve: Serve) -> None:
    async def late(request: Request) -> Response:
        await asyncio.sleep(1.5)
        return Response(200, [], str(len(await request.read())).encode())

    running = await serve(late, ServerLimits(body_timeout=1.0))
    async with Client() as client:
        response = await client.request("POST", running.tcp, "/", body=b"x" * 1_000_000)
        assert await response.read() == b"1000000"


async def test_an_idle_connection_is_closed_and_a_busy_one_is_not(serve: Serve) -> None:
    async def slow(request: Request) -> Response:
        await asyncio.sleep(1.5)
        return Response(200, [], b"ok")

    running = await serve(slow, ServerLimits(idle_timeout=1.0, header_timeout=1.0))
    raw = await running.connect()
    await raw.send(GET)
    assert await raw.response() == (200, b"ok")
    assert await raw.rest() == b""
    await raw.close()


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
async def test_a_half_closed_client_keeps_its_handler_for_a_moment_only(
    serve: Serve, unix: bool
) -> None:
    handler = Stuck()
    running = await serve(handler, ServerLimits(half_closed=0.05))
    raw = await running.connect(unix=unix)
    await raw.send(GET)
    raw.half_close()
    async with asyncio.timeout(DEADLINE):
        await handler.cancelled.wait()
    await raw.close()


async def test_clients_beyond_the_bound_are_told_so_and_others_served(serve: Serve) -> None:
    running = await serve(echo, ServerLimits(connections=2))
    first, second = await running.connect(), await running.connect(unix=True)
    for raw in (first, second):
        await raw.send(GET)
        await raw.response()
    third = await running.connect()
    answer = await third.rest()
    assert answer.startswith(b"HTTP/1.1 503 ") and b"connection: close" in answer
    await third.close()
    await first.send(GET)
    assert (await first.response())[0] == 200
    await first.close()
    async with asyncio.timeout(DEADLINE):
        while running.server.connections > 1:
            await asyncio.sleep(0.005)
    fourth = await running.connect()
    await fourth.send(GET)
    assert (await fourth.response())[0] == 200
    for raw in (second, fourth):
        await raw.close()


# the client's


async def test_a_server_that_does_not_answer_is_given_up(
    client: Client, scripted: Callable[..., ScriptedServer]
) -> None:
    server = scripted(None)
    with pytest.raises(DeadlineExceeded):
        await client.request("GET", server.address, "/", timeout=Timeout(headers=0.05))
    async with asyncio.timeout(DEADLINE):
        await server.gone.wait()


async def test_an_answer_that_stops_under_way_is_given_up(client: Client, serve: Serve) -> None:
    closed = asyncio.Event()

    async def stopping(request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            try:
                yield b"one"
                await asyncio.Event().wait()
            finally:
                closed.set()

        return Response(200, [], pieces())

    running = await serve(stopping)
    for read in (lambda r: r.read(), lambda r: _all(r.stream())):
        response = await client.request("GET", running.tcp, "/", timeout=Timeout(idle=0.05))
        with pytest.raises(DeadlineExceeded):
            await read(response)
        async with asyncio.timeout(DEADLINE):
            await closed.wait()
        closed.clear()


async def test_a_call_does_not_wait_for_ever_for_the_rest_of_its_answer(
    client: Client, scripted: Callable[..., ScriptedServer]
) -> None:
    server = scripted(OK[:-1], None)
    with pytest.raises(DeadlineExceeded):
        await client.call("GET", server.address, "/", timeout=Timeout(headers=0.05))


async def _all(stream: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in stream])


async def test_a_server_that_takes_nothing_of_an_upload_is_given_up(client: Client) -> None:
    async def body() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 65536

    with socket.create_server(("127.0.0.1", 0)) as asleep:  # connects, and accepts nobody
        address = Address.parse(f"http://127.0.0.1:{asleep.getsockname()[1]}")
        with pytest.raises(DeadlineExceeded):
            await client.request("POST", address, "/", body=body(), timeout=Timeout(headers=0.1))


async def test_nobody_waits_for_a_connection_longer_than_allowed(serve: Serve) -> None:
    handler = Stuck()
    running = await serve(handler)
    async with Client(ClientLimits(connections=1)) as client:
        first = asyncio.create_task(client.request("GET", running.tcp, "/"))
        await handler.started.wait()
        with pytest.raises(ConnectFailed):
            await client.request("GET", running.tcp, "/", timeout=Timeout(connect=0.05))
        first.cancel()


async def test_unused_connections_are_closed_after_a_while(serve: Serve) -> None:
    running = await serve(echo)
    async with Client(ClientLimits(idle_timeout=0.1)) as client:
        await (await client.request("GET", running.tcp, "/")).read()
        assert running.server.connections == 1
        async with asyncio.timeout(DEADLINE):
            while running.server.connections:
                await asyncio.sleep(0.01)


async def test_a_deadline_can_be_moved_in_both_directions() -> None:
    loop = asyncio.get_running_loop()
    fired: list[float] = []
    timer = LazyTimer(loop, lambda: fired.append(loop.time()))
    timer.set(60)
    async with asyncio.timeout(DEADLINE):
        timer.set(0.01)  # earlier than what is armed
        while not fired:
            await asyncio.sleep(0.01)
        timer.set(0.02)
        timer.set(1.5)  # later: the armed one looks again
        await asyncio.sleep(0.05)
        assert len(fired) == 1
        while len(fired) < 2:
            await asyncio.sleep(0.01)
    timer.set(0.01)
    timer.set(None)
    await asyncio.sleep(0.03)
    timer.set(0.01)
    timer.close()
    await asyncio.sleep(0.03)
    assert len(fired) == 2
