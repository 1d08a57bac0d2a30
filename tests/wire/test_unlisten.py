"""One listener of several can be given up; who is connected there is let go politely."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sutazai.fleet.errors import ConnectFailed
from sutazai.wire import Address, Client, Request, Response, Server
from tests.wire.conftest import Serve
from tests.wire.handlers import Stuck, count, echo
from tests.wire.peers import DEADLINE

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


async def test_it_accepts_nobody_any_more_and_the_others_do(serve: Serve, client: Client) -> None:
    running = await serve(echo)
    await running.server.unlisten("tcp")
    with pytest.raises(ConnectFailed):
        await client.request("GET", running.tcp, "/")
    assert (await client.request("GET", running.unix, "/")).status == 200


async def test_a_unix_sockets_file_goes_with_it(serve: Serve, client: Client) -> None:
    running = await serve(echo)
    await running.server.unlisten("unix")
    assert not running.path.exists()
    assert (await client.request("GET", running.tcp, "/")).status == 200


async def test_idle_connections_are_closed_those_of_others_are_not(serve: Serve) -> None:
    running = await serve(echo)
    here, elsewhere = await running.connect(), await running.connect(unix=True)
    for raw in (here, elsewhere):
        await raw.send(GET)
        await raw.response()
    await running.server.unlisten("tcp")
    assert await here.rest() == b""
    await elsewhere.send(GET)
    assert (await elsewhere.response())[0] == 200
    for raw in (here, elsewhere):
        await raw.close()


async def test_a_request_is_answered_to_its_end_and_no_other_after_it(serve: Serve) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def slow(request: Request) -> Response:
        begun.set()
        await may_end.wait()
        return await count(request)

    running = await serve(slow)
    raw = await running.connect()
    await raw.send(GET * 2)
    await begun.wait()
    await running.server.unlisten("tcp")
    may_end.set()
    answer = await raw.rest()
    assert b"connection: close" in answer and answer.count(b"HTTP/1.1 200") == 1
    assert answer.endswith(b"0\r\n\r\n")
    await raw.close()


async def test_an_answer_that_has_begun_comes_to_its_end_too(serve: Serve) -> None:
    go_on = asyncio.Event()

    async def streaming(request: Request) -> Response:
        async def body() -> AsyncIterator[bytes]:
            yield b"one"
            await go_on.wait()
            yield b"two"

        return Response(200, [], body())

    running = await serve(streaming)
    raw = await running.connect()
    await raw.send(GET * 2)
    await raw.until(b"one\r\n")
    await running.server.unlisten("tcp")
    go_on.set()
    assert await raw.rest() == b"3\r\ntwo\r\n0\r\n\r\n"
    await raw.close()


async def test_its_name_and_its_port_can_be_used_again(serve: Serve, client: Client) -> None:
    running = await serve(echo)
    await running.server.unlisten("tcp")
    port = await running.server.listen_tcp("127.0.0.1", running.port, "tcp")
    assert port == running.port
    assert (await client.request("GET", running.tcp, "/")).status == 200


async def test_one_that_is_not_there_is_no_error(serve: Serve, client: Client) -> None:
    running = await serve(echo)
    await running.server.unlisten("never heard of")
    assert (await client.request("GET", running.tcp, "/")).status == 200


async def test_closing_the_server_later_does_the_rest(folder: Path) -> None:
    handler = Stuck()
    server = Server(handler)
    port = await server.listen_tcp("127.0.0.1", 0, "a")
    await server.listen_unix(folder / "s", "b")
    async with Client() as client:
        asking = asyncio.create_task(
            client.request("GET", Address.parse(f"http://127.0.0.1:{port}"), "/")
        )
        async with asyncio.timeout(DEADLINE):
            await handler.started.wait()
            await server.unlisten("a")
            assert not asking.done() and server.connections == 1
            await server.close(grace=0)
            await handler.cancelled.wait()
            await asyncio.wait([asking])
    assert server.connections == 0 and not (folder / "s").exists()


@pytest.mark.parametrize("rounds", range(6))
async def test_who_was_accepted_a_moment_ago_is_let_go_too(serve: Serve, rounds: int) -> None:
    """Whichever round of the event loop it is in; asyncio would forget some of them."""
    running = await serve(echo)
    with socket.create_connection((running.tcp.host, running.tcp.port), timeout=DEADLINE) as caller:
        for _ in range(rounds):
            await asyncio.sleep(0)

        await running.server.unlisten("tcp")

        assert await asyncio.to_thread(_end_of, caller) == b""


def _end_of(caller: socket.socket) -> bytes:
    """What comes until the other side is gone; one that was never accepted is reset."""
    try:
        return caller.recv(1)
    except ConnectionResetError:
        return b""
