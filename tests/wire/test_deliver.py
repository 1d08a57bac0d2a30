"""Answers that are delivered: told as they are read, held on demand, ended exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from sutazai.fleet.errors import DeadlineExceeded, PeerClosed
from sutazai.wire import Client, ClientResponse, Request, Response, Sink, Splice, Timeout
from sutazai.wire.limits import HIGH_WATER
from tests.wire.conftest import Serve
from tests.wire.handlers import Endless, count, echo
from tests.wire.peers import DEADLINE, ScriptedServer

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


class Seen:
    """A receiver that keeps what it is told."""

    def __init__(self) -> None:
        self.data = b""
        self.pieces = 0
        self.error: Exception | None = None
        self.over = asyncio.Event()
        self.some = asyncio.Event()

    def received(self, data: bytes) -> Splice | None:
        assert data and not self.over.is_set()
        self.data += data
        self.pieces += 1
        self.some.set()
        return None

    def ended(self, last: bytes) -> None:
        assert not self.over.is_set()
        self.data += last
        self.over.set()

    def failed(self, error: Exception) -> None:
        assert not self.over.is_set()
        self.error = error
        self.over.set()

    async def end(self) -> bytes:
        async with asyncio.timeout(DEADLINE):
            await self.over.wait()
        if self.error is not None:
            raise self.error
        return self.data


async def delivered(response: ClientResponse, seen: Seen | None = None) -> bytes:
    seen = seen or Seen()
    response.deliver(seen)
    return await seen.end()


async def test_a_streamed_answer_is_told_to_its_end(serve: Serve, client: Client) -> None:
    running = await serve(count)
    assert await delivered(await client.request("GET", running.tcp, "/")) == b"one,two,three"


@pytest.mark.parametrize("size", [0, 5, 1_000_000])
async def test_an_answer_of_any_size_is(serve: Serve, client: Client, size: int) -> None:
    running = await serve(echo)
    response = await client.request("POST", running.tcp, "/", body=b"x" * size)
    assert await delivered(response) == b"x" * size


async def test_what_is_here_already_is_told_at_once(
    client: Client, scripted: Callable[..., ScriptedServer]
) -> None:
    server = scripted(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", None)
    response, seen = await client.request("GET", server.address, "/"), Seen()
    response.deliver(seen)
    assert seen.data == b"ab"
    await response.close()
    with pytest.raises(PeerClosed):
        await seen.end()


async def test_the_first_piece_may_be_taken_before(serve: Serve, client: Client) -> None:
    handler = Endless(pause=0.001)
    response = await client.request("GET", (await serve(handler)).tcp, "/")
    first, seen = await response.next_piece(), Seen()
    response.deliver(seen)
    async with asyncio.timeout(DEADLINE):
        while seen.pieces < 5:
            await asyncio.sleep(0.001)
    assert first and not seen.over.is_set()
    await response.close()
    with pytest.raises(PeerClosed):
        await seen.end()


async def test_the_connection_is_free_again_after_it(serve: Serve, client: Client) -> None:
    running = await serve(count)
    for _ in range(3):
        assert await delivered(await client.request("GET", running.tcp, "/"))
    assert running.server.connections == 1


async def test_at_the_end_the_receiver_may_use_the_connection_for_the_next_request(
    serve: Serve, client: Client
) -> None:
    running = await serve(count)
    again = list[asyncio.Task[ClientResponse]]()

    class Greedy(Seen):
        def ended(self, last: bytes) -> None:
            super().ended(last)
            again.append(asyncio.create_task(client.request("GET", running.tcp, "/")))

    await delivered(await client.request("GET", running.tcp, "/"), Greedy())
    assert await (await again[0]).read() == b"one,two,three"
    assert running.server.connections == 1


async def test_an_answer_that_is_cut_short_fails(
    client: Client, scripted: Callable[..., ScriptedServer]
) -> None:
    server = scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    seen = Seen()
    with pytest.raises(PeerClosed):
        await delivered(await client.request("GET", server.address, "/"), seen)
    assert seen.data == b"half"


async def test_a_malformed_answer_fails_after_what_was_good(
    client: Client, scripted: Callable[..., ScriptedServer]
) -> None:
    server = scripted(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nnonsense\r\n", None
    )
    seen = Seen()
    with pytest.raises(Exception, match="malformed"):
        await delivered(await client.request("GET", server.address, "/"), seen)
    assert seen.data == b"ab"


async def test_silence_is_a_deadline_but_not_while_it_is_held(serve: Serve, client: Client) -> None:
    async def stopping(request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"one"
            await asyncio.Event().wait()

        return Response(200, [], pieces())

    running = await serve(stopping)
    response = await client.request("GET", running.tcp, "/", timeout=Timeout(idle=0.05))
    seen = Seen()
    response.hold()
    response.deliver(seen)
    await asyncio.sleep(0.15)
    assert not seen.over.is_set()
    response.go_on()
    with pytest.raises(DeadlineExceeded):
        await seen.end()
    assert seen.data == b"one"


async def test_held_it_is_told_nothing_and_the_server_waits(serve: Serve, client: Client) -> None:
    handler = Endless(b"x" * 65536)
    response, seen = await client.request("GET", (await serve(handler)).tcp, "/"), Seen()

    class Once(Seen):
        def received(self, data: bytes) -> None:
            super().received(data)
            response.hold()

    seen = Once()
    response.deliver(seen)
    async with asyncio.timeout(DEADLINE):
        await seen.some.wait()
        await asyncio.sleep(0.1)
        made = handler.made
        await asyncio.sleep(0.1)
        assert seen.pieces == 1 and handler.made == made < 16 * 1024 * 1024
        response.go_on()
        while seen.pieces < 2 or handler.made == made:
            response.go_on()
            await asyncio.sleep(0.001)
    assert len(seen.data) / seen.pieces < 4 * HIGH_WATER
    await response.close()


async def test_an_end_that_comes_while_it_is_held_is_told_afterwards(
    client: Client, scripted: Callable[..., ScriptedServer]
) -> None:
    server = scripted(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n")
    response, seen = await client.request("GET", server.address, "/"), Seen()
    response.hold()
    response.deliver(seen)
    await asyncio.sleep(0.05)
    response.go_on()
    assert await seen.end() == b"ab"


async def test_a_receivers_bug_is_logged_and_ends_its_answer_only(
    serve: Serve, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Seen):
        def received(self, data: bytes) -> None:
            raise KeyError("bug")

    handler = Endless(pause=0.001)
    running = await serve(handler)
    with pytest.raises(KeyError):
        await delivered(await client.request("GET", running.tcp, "/"), Broken())
    async with asyncio.timeout(DEADLINE):
        await handler.closed.wait()
    assert "bug" in caplog.text


async def test_a_receivers_bug_at_the_end_is_logged_and_nothing_more(
    serve: Serve, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Seen):
        def ended(self, last: bytes) -> None:
            super().ended(last)
            raise KeyError("bug")

    running = await serve(count)
    for path in ("/", "/"):
        assert await delivered(await client.request("GET", running.tcp, path), Broken())
    assert "bug" in caplog.text and running.server.connections == 1


# together with pushed bodies: a relay


class Relay:
    """Passes a backend's answer on to a client, in one chain of calls."""

    def __init__(self, response: ClientResponse) -> None:
        self._response = response
        self._sink: Sink | None = None

    def attach(self, sink: Sink) -> None:
        self._sink = sink
        self._response.deliver(self)

    def hold(self) -> None:
        self._response.hold()

    def go_on(self) -> None:
        self._response.go_on()

    async def aclose(self) -> None:
        await self._response.close()

    def received(self, data: bytes) -> None:
        assert self._sink is not None
        self._sink.write(data)

    def ended(self, last: bytes) -> None:
        assert self._sink is not None
        self._sink.close(last)

    def failed(self, error: Exception) -> None:
        assert self._sink is not None
        self._sink.fail(error)


def relay_to(client: Client, address: object) -> Callable[[Request], object]:
    async def handler(request: Request) -> Response:
        response = await client.request("GET", address, request.target)  # type: ignore[arg-type]
        return Response(response.status, [], Relay(response))

    return handler


async def test_a_relay_passes_everything_on(serve: Serve, client: Client) -> None:
    async def pieces(request: Request) -> Response:
        async def body() -> AsyncIterator[bytes]:
            for number in range(500):
                yield b"%d," % number
                if number % 7 == 0:
                    await asyncio.sleep(0)
            yield b"x" * 300_000

        return Response(200, [], body())

    origin = await serve(pieces)
    running = await serve(relay_to(client, origin.unix))  # type: ignore[arg-type]
    expected = b"".join(b"%d," % number for number in range(500)) + b"x" * 300_000
    async with Client() as other:
        for _ in range(3):
            assert await (await other.request("GET", running.tcp, "/")).read() == expected
    assert origin.server.connections == running.server.connections == 1


async def test_a_relay_tells_the_client_of_a_backend_that_fails(
    serve: Serve, client: Client
) -> None:
    async def failing(request: Request) -> Response:
        async def body() -> AsyncIterator[bytes]:
            yield b"half"
            raise PeerClosed("as scripted")

        return Response(200, [], body())

    origin = await serve(failing)
    running = await serve(relay_to(client, origin.unix))  # type: ignore[arg-type]
    async with Client() as other:
        response = await other.request("GET", running.tcp, "/")
        with pytest.raises(PeerClosed):
            await response.read()


async def test_a_client_that_leaves_a_relay_is_noticed_at_the_backend(
    serve: Serve, client: Client
) -> None:
    far = Endless(pause=0.001)
    origin = await serve(far)
    running = await serve(relay_to(client, origin.unix))  # type: ignore[arg-type]
    raw = await running.connect()
    await raw.send(GET)
    await raw.head()
    await raw.close()
    async with asyncio.timeout(DEADLINE):
        await far.closed.wait()


async def test_a_client_that_does_not_read_holds_the_backend(serve: Serve, client: Client) -> None:
    far = Endless(b"x" * 65536)
    origin = await serve(far)
    running = await serve(relay_to(client, origin.unix))  # type: ignore[arg-type]
    raw = await running.connect()
    raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await raw.send(GET)
    made = -1
    async with asyncio.timeout(DEADLINE):
        while far.made != made or not made:
            made = far.made
            await asyncio.sleep(0.1)
    assert made < 32 * 1024 * 1024
    raw.writer.transport.resume_reading()  # type: ignore[attr-defined]
    async with asyncio.timeout(DEADLINE):
        while far.made == made:
            assert await raw.reader.read(65536)
    await raw.close()
    async with asyncio.timeout(DEADLINE):
        await far.closed.wait()
