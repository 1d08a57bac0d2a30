"""Bodies whose chunks follow each other quickly are read in bursts, and nothing else waits."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import cast

import pytest

from sutazai.fleet.errors import PeerClosed
from sutazai.wire import Address, Client, Pairs, Request, Response
from sutazai.wire.resting import CLOSE, REST, Rest, Rests
from tests.wire.conftest import Serve
from tests.wire.peers import DEADLINE
from tests.wire.test_splice import Taker

CHUNKS = 40
FAST = 0.002
SLOW = REST * 2


class Eager(Taker):
    """Takes all that comes, and notes how much comes at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.bursts: list[int] = []

    def take(self, data: bytes) -> bool:
        if not data.endswith(b"\r\n") or data.endswith(b"0\r\n\r\n"):
            return False
        self.bursts.append(data.count(b"a"))
        self.all += data
        return True

    @property
    def chunks(self) -> int:
        return self.all.count(b"a")


async def answer(request: Request) -> Response:
    """As many chunks as the path says, at its gap in milliseconds."""
    count, gap = map(int, request.path.strip("/").split("/"))

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b"a1"
            await asyncio.sleep(gap / 1000)

    return Response(200, _NO_HEADERS, pieces())


_NO_HEADERS: Pairs = ()


async def heard(client: Client, address: Address, gap: float, count: int = CHUNKS) -> Eager:
    eager = Eager()
    response = await client.request("GET", address, f"/{count}/{gap * 1000:.0f}")
    response.deliver(eager)
    await eager.end()
    assert eager.chunks == count
    return eager


async def test_fast_chunks_are_read_in_bursts(serve: Serve, client: Client) -> None:
    running = await serve(answer)
    eager = await heard(client, running.tcp, FAST)
    assert max(eager.bursts) > 1 and len(eager.bursts) < CHUNKS / 2


async def test_those_that_take_their_time_are_read_as_they_come(
    serve: Serve, client: Client
) -> None:
    running = await serve(answer)
    eager = await heard(client, running.tcp, SLOW, count=6)
    assert set(eager.bursts) == {1}


async def test_a_connection_that_has_rested_serves_the_next_request(
    serve: Serve, client: Client
) -> None:
    running = await serve(answer)
    for _ in range(3):
        await heard(client, running.tcp, FAST)
        assert (await heard(client, running.tcp, FAST, count=1)).all == b"a1"
    assert running.server.connections == 1


async def test_many_rest_and_wake_together(serve: Serve, client: Client) -> None:
    running = await serve(answer)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(heard(client, running.tcp, FAST)) for _ in range(30)]
    assert all(max(task.result().bursts) > 1 for task in tasks)


@pytest.mark.parametrize("reset", [False, True])
async def test_a_server_that_goes_meanwhile_is_noticed(client: Client, reset: bool) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na1\r\n")
        for _ in range(CHUNKS):
            await asyncio.sleep(FAST)
            writer.write(b"2\r\na1\r\n")
        if reset:
            writer.transport.abort()
        writer.close()

    eager = Eager()
    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        address = Address.parse(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        response = await client.request("GET", address, "/")
        response.deliver(eager)
        with pytest.raises(PeerClosed):
            await eager.end()
    assert reset or eager.chunks == CHUNKS + 1


async def test_a_client_that_closes_while_it_rests_leaves_nothing_behind(serve: Serve) -> None:
    running = await serve(answer)
    async with Client() as client:
        eager = Eager()
        response = await client.request("GET", running.tcp, f"/{CHUNKS}/2")
        response.deliver(eager)
        async with asyncio.timeout(DEADLINE):
            while len(eager.bursts) < 3:
                await asyncio.sleep(FAST)
        await response.close()
        await asyncio.sleep(SLOW)
        assert (await heard(client, running.tcp, FAST)).chunks == CHUNKS


# one rest


@contextlib.asynccontextmanager
async def resting(serve: Serve) -> AsyncIterator[tuple[Rests, Rest, socket.socket]]:
    """All rests, one of them, and the socket that it is of."""
    loop, rests, running = asyncio.get_running_loop(), Rests(), await serve(answer)
    transport, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", running.tcp.port)
    rest = Rest(rests, transport, loop)
    yield rests, rest, cast("socket.socket", transport.get_extra_info("socket"))
    rest.close()
    transport.abort()
    await asyncio.sleep(0)


def awaited(sock: socket.socket) -> int:
    """The bytes that a socket waits for."""
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT)


async def test_it_ends_by_itself_and_when_somebody_is_in_a_hurry(serve: Serve) -> None:
    async with resting(serve) as (rests, rest, sock):
        rest.came(1.0)
        rest.came(1.0 + CLOSE * 2)
        assert awaited(sock) == 1, "they did not come fast"
        rest.came(1.0 + CLOSE * 2)
        assert awaited(sock) > 1
        await asyncio.sleep(SLOW)
        assert awaited(sock) == 1
        for _ in range(2):
            rest.came(1.0)
        assert awaited(sock) > 1
        with rests.none():
            assert awaited(sock) == 1
            rest.came(1.0)
            assert awaited(sock) == 1
        rest.came(1.0)
        assert awaited(sock) > 1


async def test_it_never_closes_a_socket_that_is_not_its_own(serve: Serve) -> None:
    async with resting(serve) as (_, rest, sock):
        rest.came(1.0)
        rest.came(1.0)
        rest.close()
        del rest
        await asyncio.sleep(SLOW)
        assert awaited(sock) > 0, "the socket is closed"


async def test_unix_sockets_do_not_rest(serve: Serve, client: Client) -> None:
    running = await serve(answer)
    assert (await heard(client, running.unix, FAST)).chunks == CHUNKS
