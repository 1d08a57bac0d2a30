"""Bodies that are pushed: what is written arrives, in its frame, at the client's pace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from sutazai.fleet.errors import PeerClosed
from sutazai.wire import Client, Request, Response, ServerLimits, Sink
from tests.wire.conftest import Serve
from tests.wire.peers import DEADLINE, Raw, Running

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


class Body:
    """A pushed body that does what a test says when it is attached, and tells what happens."""

    def __init__(self, act: Callable[[Sink], object] = lambda sink: None) -> None:
        self._act = act
        self.sink: Sink | None = None
        self.attached, self.closed = asyncio.Event(), asyncio.Event()
        self.held, self.resumed = asyncio.Event(), asyncio.Event()

    async def __call__(self, request: Request) -> Response:
        """A handler that answers with it."""
        return Response(200, [], self)

    def attach(self, sink: Sink) -> None:
        self.sink = sink
        self.attached.set()
        self._act(sink)

    def hold(self) -> None:
        self.held.set()

    def go_on(self) -> None:
        self.resumed.set()

    async def aclose(self) -> None:
        self.closed.set()


def say(*pieces: bytes, last: bytes = b"") -> Callable[[Sink], None]:
    def act(sink: Sink) -> None:
        for piece in pieces:
            sink.write(piece)
        sink.close(last)

    return act


async def attached(body: Body) -> Sink:
    async with asyncio.timeout(DEADLINE):
        await body.attached.wait()
    assert body.sink is not None
    return body.sink


async def closed(body: Body) -> None:
    async with asyncio.timeout(DEADLINE):
        await body.closed.wait()


@pytest.mark.parametrize(
    "act", [say(b"one,two"), say(b"one,", b"", b"two"), say(b"one,", last=b"two"),
            say(last=b"one,two")]
)  # fmt: skip
async def test_what_is_written_at_once_arrives(
    serve: Serve, client: Client, act: Callable[[Sink], None]
) -> None:
    body = Body(act)
    response = await client.request("GET", (await serve(body)).tcp, "/")
    assert await response.read() == b"one,two"
    await closed(body)


async def test_each_piece_is_a_chunk_and_the_end_comes_with_the_last(serve: Serve) -> None:
    raw = await (await serve(Body(say(b"one", b"two", last=b"three")))).connect()
    await raw.send(GET)
    head = await raw.head()
    assert b"transfer-encoding: chunked\r\n" in head
    assert await raw.until(b"0\r\n\r\n") == b"3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n"
    await raw.close()


async def test_the_head_does_not_wait_for_the_first_piece(serve: Serve) -> None:
    body = Body()
    raw = await (await serve(body)).connect()
    await raw.send(GET)
    assert (await raw.head()).startswith(b"HTTP/1.1 200 ")
    sink = await attached(body)
    sink.write(b"late")
    assert await raw.until(b"late\r\n") == b"4\r\nlate\r\n"
    sink.close()
    assert await raw.exactly(5) == b"0\r\n\r\n"
    await raw.close()


async def test_a_large_piece_is_sent_as_it_is(serve: Serve, client: Client) -> None:
    large = bytes(range(256)) * 4096
    body = Body(say(large, b"x", last=large))
    response = await client.request("GET", (await serve(body)).tcp, "/")
    assert await response.read() == large + b"x" + large


async def test_the_connection_serves_the_next_request_after_it(
    serve: Serve, client: Client
) -> None:
    running = await serve(Body(say(b"ok")))
    for _ in range(3):
        assert await (await client.request("GET", running.tcp, "/")).read() == b"ok"
    assert running.server.connections == 1


async def test_pipelined_requests_each_get_theirs(serve: Serve) -> None:
    raw = await (await serve(Body(say(b"ok")))).connect()
    await raw.send(GET * 3)
    for _ in range(3):
        await raw.head()
        assert await raw.until(b"0\r\n\r\n") == b"2\r\nok\r\n0\r\n\r\n"
    await raw.close()


@pytest.mark.parametrize(
    ("act", "body"),
    [(say(b"ab", last=b"cd"), b"abcd"), (say(b"abc"), b"abc"), (say(b"abcde"), b""),
     (say(b"ab", last=b"cde"), b"ab")],
    ids=["right", "short", "long", "long in the end"],
)  # fmt: skip
async def test_a_declared_length_is_kept_or_the_connection_cut(
    serve: Serve, act: Callable[[Sink], None], body: bytes
) -> None:
    async def declared(request: Request) -> Response:
        return Response(200, [("Content-Length", "4")], Body(act))

    raw = await (await serve(declared)).connect()
    await raw.send(GET[:-2] + b"Connection: close\r\n\r\n")
    head, _, got = (await raw.rest()).partition(b"\r\n\r\n")
    assert got == body and b"chunked" not in head
    await raw.close()


async def test_one_that_fails_is_cut_and_the_client_notices(serve: Serve, client: Client) -> None:
    def act(sink: Sink) -> None:
        sink.write(b"half")
        sink.fail(PeerClosed("the backend went away"))
        sink.write(b"never sent")
        sink.close(b"never sent")

    body = Body(act)
    response = await client.request("GET", (await serve(body)).tcp, "/")
    with pytest.raises(PeerClosed):
        await response.read()
    await closed(body)


async def test_one_that_cannot_be_attached_is_logged_and_the_connection_cut(
    serve: Serve, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    def bug(sink: Sink) -> None:
        raise KeyError("bug")

    body = Body(bug)
    running = await serve(body)
    with pytest.raises(PeerClosed):
        await (await client.request("GET", running.tcp, "/")).read()
    await closed(body)
    assert "bug" in caplog.text


async def test_to_head_it_is_closed_and_not_attached(serve: Serve, client: Client) -> None:
    body = Body(say(b"ok"))
    response = await client.request("HEAD", (await serve(body)).tcp, "/")
    assert await response.read() == b""
    await closed(body)
    assert not body.attached.is_set()


async def test_an_old_client_gets_it_without_chunks_until_the_connections_end(
    serve: Serve,
) -> None:
    running = await serve(Body(say(b"one,", last=b"two")))
    answer = await running.exchange(b"GET / HTTP/1.0\r\n\r\n")
    assert answer.endswith(b"\r\n\r\none,two") and b"chunked" not in answer


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
async def test_a_client_that_leaves_closes_it_and_what_is_written_goes_nowhere(
    serve: Serve, unix: bool, reset: bool
) -> None:
    body = Body()
    raw = await (await serve(body)).connect(unix=unix)
    await raw.send(GET)
    sink = await attached(body)
    sink.write(b"first")
    await raw.until(b"first")
    await (raw.reset() if reset else raw.close())
    await closed(body)
    assert sink.over
    sink.write(b"nowhere")
    sink.close(b"nowhere")


class SlowToClose(Body):
    """A body that needs turns of the loop to give up what it holds."""

    async def aclose(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0.01)
        await super().aclose()


async def test_a_client_that_leaves_with_the_last_piece_does_not_disturb_the_closing(
    serve: Serve,
) -> None:
    body = SlowToClose(say(b"all"))
    running = await serve(body)
    raw = await running.connect()
    await raw.send(GET)
    await raw.until(b"0\r\n\r\n")
    await raw.reset()
    await closed(body)


class Flood(Body):
    """Writes without end, whenever it is allowed to."""

    def __init__(self) -> None:
        super().__init__(lambda sink: self.flow())
        self.made = 0
        self._held = False

    def flow(self) -> None:
        if self.sink is not None and not self._held and not self.sink.over:
            self.made += 65536
            self.sink.write(b"x" * 65536)
            asyncio.get_running_loop().call_soon(self.flow)

    def hold(self) -> None:
        super().hold()
        self._held = True

    def go_on(self) -> None:
        super().go_on()
        self._held = False
        self.flow()


async def not_reading(running: Running) -> Raw:
    raw = await running.connect()
    raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await raw.send(GET)
    return raw


async def test_a_client_that_does_not_read_holds_it_and_one_that_does_lets_it_go_on(
    serve: Serve,
) -> None:
    body = Flood()
    raw = await not_reading(await serve(body))
    async with asyncio.timeout(DEADLINE):
        await body.held.wait()
        made = body.made
        await asyncio.sleep(0.05)
        assert body.made == made < 16 * 1024 * 1024
        raw.writer.transport.resume_reading()  # type: ignore[attr-defined]
        while body.made == made or not body.resumed.is_set():
            assert await raw.reader.read(65536)
    await raw.reset()
    await closed(body)


async def test_a_client_that_takes_nothing_for_long_is_cut(serve: Serve) -> None:
    body = Flood()
    running = await serve(body, ServerLimits(body_timeout=0.1))
    raw = await not_reading(running)
    await closed(body)
    async with asyncio.timeout(DEADLINE):
        while running.server.connections:
            await asyncio.sleep(0.01)
    await raw.reset()
