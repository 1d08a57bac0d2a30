"""Chunks that are taken on their way, so that their receiver is told of the others only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from sutazai.fleet.errors import DeadlineExceeded
from sutazai.wire import (
    Address,
    Client,
    Handler,
    Pairs,
    Request,
    Response,
    Splice,
    Timeout,
    chunk_line,
)
from tests.wire.conftest import Serve
from tests.wire.peers import DEADLINE
from tests.wire.test_deliver import Seen


class Taker(Seen):
    """Takes whole chunks that begin as it likes, once it was told of one."""

    def __init__(self, likes: bytes = b"a") -> None:
        super().__init__()
        self.taken: list[bytes] = []
        self.all = b""
        self._likes = likes

    def received(self, data: bytes) -> Splice | None:
        super().received(data)
        self.all += data
        return self

    def ended(self, last: bytes) -> None:
        self.all += last
        super().ended(last)

    def take(self, data: bytes) -> bool:
        line = chunk_line(len(data))
        if line is None or not (data.startswith(line + self._likes) and data.endswith(b"\r\n")):
            return False
        self.taken.append(data[len(line) : -2])
        self.all += self.taken[-1]
        return True


def told(*pieces: bytes, headers: Pairs = ()) -> Handler:
    """A handler whose pieces come one at a time."""

    async def slowly() -> AsyncIterator[bytes]:
        for piece in pieces:
            await asyncio.sleep(0.02)
            yield piece

    async def handler(request: Request) -> Response:
        return Response(200, headers, slowly())

    return handler


async def heard(
    serve: Serve, client: Client, taker: Taker, *pieces: bytes, headers: Pairs = ()
) -> bytes:
    running = await serve(told(*pieces, headers=headers))
    response = await client.request("GET", running.tcp, "/")
    response.deliver(taker)
    return await taker.end()


async def test_what_is_liked_is_taken_and_the_rest_is_told(serve: Serve, client: Client) -> None:
    taker = Taker()
    pieces = (b"a1", b"a2", b"b3", b"a4" * 500, b"b5")
    rest = await heard(serve, client, taker, *pieces)
    assert taker.all == b"".join(pieces)
    assert rest.startswith(b"a1") and rest.endswith(b"b5")
    assert taker.taken and {piece[:1] for piece in taker.taken} == {b"a"}


@pytest.mark.parametrize(
    "pieces",
    [
        (b"1", b"2\r\na2\r\n", b"x" * 14),  # cut within the line of its size
        (b"12\r\nabcdefg", b"2\r\na2\r\n", b"x" * 4),
    ],
)
async def test_what_looks_like_a_chunk_within_another_is_not_taken(
    client: Client, pieces: tuple[bytes, ...]
) -> None:
    over = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        for piece in (head, b"2\r\na1\r\n", *pieces, b"\r\n0\r\n\r\n"):
            writer.write(piece)
            await asyncio.sleep(0.03)
        writer.close()
        await writer.wait_closed()
        over.set()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        response = await client.request("GET", Address.parse(f"http://127.0.0.1:{port}"), "/")
        taker = Taker()
        response.deliver(taker)
        await taker.end()
        await over.wait()
    assert taker.taken == [] and len(taker.data) == 2 + 18


async def test_nothing_is_taken_of_a_body_of_known_length(serve: Serve, client: Client) -> None:
    chunk = b"2\r\na2\r\n"
    length = (("content-length", str(3 * len(chunk))),)
    taker = Taker()
    assert await heard(serve, client, taker, chunk, chunk, chunk, headers=length) == 3 * chunk
    assert taker.taken == []


async def test_nothing_is_taken_while_it_is_held(serve: Serve, client: Client) -> None:
    class Holding(Taker):
        def received(self, data: bytes) -> Splice | None:
            response.hold()
            return super().received(data)

    running = await serve(told(b"a1", b"a2", b"a3"))
    response, taker = await client.request("GET", running.tcp, "/"), Holding()
    response.deliver(taker)
    async with asyncio.timeout(DEADLINE):
        await taker.some.wait()
    await asyncio.sleep(0.1)
    assert (taker.data, taker.taken) == (b"a1", [])
    while not taker.over.is_set():
        response.go_on()
        await asyncio.sleep(0.01)
    assert (taker.data, taker.taken) == (b"a1a2a3", [])


async def test_who_is_silent_after_what_was_taken_is_given_up(serve: Serve, client: Client) -> None:
    async def silent() -> AsyncIterator[bytes]:
        for piece in (b"a1", b"a2", b"a3"):
            yield piece
            await asyncio.sleep(0.02)
        await asyncio.Event().wait()

    async def handler(request: Request) -> Response:
        return Response(200, [], silent())

    running, taker = await serve(handler), Taker()
    response = await client.request("GET", running.tcp, "/", timeout=Timeout(idle=0.1))
    response.deliver(taker)
    with pytest.raises(DeadlineExceeded):
        await taker.end()
    assert taker.taken


@pytest.mark.parametrize("size", [1, 9, 15, 16, 255, 256, 2047])
def test_a_short_chunk_is_known_by_its_length(size: int) -> None:
    line = b"%x\r\n" % size
    assert chunk_line(len(line) + size + 2) == line


@pytest.mark.parametrize("length", [0, 1, 5, 21, 4096])
def test_what_is_no_short_chunk_has_no_line(length: int) -> None:
    assert chunk_line(length) is None
