"""Messages that wait for others of their round: sent once, in their order, before any end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from sutazai.wire import Client, Handler, Request, Response
from sutazai.wire.outbox import TOGETHER_MAX, Outbox
from sutazai.wire.writer import Writer
from tests.wire.conftest import Serve
from tests.wire.peers import DEADLINE

ASK = b"GET /%b HTTP/1.1\r\nhost: x\r\n\r\n"


class Wire:
    """A transport and its loop, whose clock a test moves on."""

    def __init__(self) -> None:
        self.now = 1.0
        self.sent: list[bytes] = []
        self.due: list[Any] = []
        self.closing = False

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Any) -> None:
        self.due.append(callback)

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def is_closing(self) -> bool:
        return self.closing

    def next_round(self) -> None:
        self.now += 1
        due, self.due = self.due, []
        for callback in due:
            callback()


class Post:
    """Posts each message on a connection of its own; all of them end up in one list."""

    def __init__(self) -> None:
        self.wire, self.outbox = Wire(), Outbox()

    def __call__(self, message: bytes) -> Writer:
        writer = Writer(cast("asyncio.Transport", self.wire))
        loop = cast("asyncio.AbstractEventLoop", self.wire)
        self.outbox.post(writer, message, loop)
        return writer


@pytest.fixture
def post() -> Post:
    return Post()


def test_the_first_of_a_round_goes_at_once_and_the_others_together(post: Post) -> None:
    for message in (b"a", b"b", b"c"):
        post(message)
    assert post.wire.sent == [b"a"]

    post.wire.next_round()
    assert post.wire.sent == [b"a", b"b", b"c"]
    post(b"d")
    assert post.wire.sent[3:] == [b"d"]


def test_who_has_to_flushes_before_and_nothing_is_sent_twice(post: Post) -> None:
    post(b"a")
    first, second = post(b"b"), post(b"c")
    second.flush()
    second.flush()
    assert post.wire.sent == [b"a", b"c"]

    post.wire.next_round()
    first.flush()
    assert post.wire.sent == [b"a", b"c", b"b"]


def test_many_do_not_wait_for_the_end_of_the_round(post: Post) -> None:
    for number in range(TOGETHER_MAX + 2):
        post(b"%d" % number)
    assert len(post.wire.sent) == TOGETHER_MAX + 1

    post.wire.next_round()
    assert post.wire.sent == [b"%d" % number for number in range(TOGETHER_MAX + 2)]


def test_nothing_waits_where_that_is_unwanted(post: Post) -> None:
    post(b"a")
    post(b"b")
    with post.outbox.none():
        assert post.wire.sent == [b"a", b"b"]
        post(b"c")
        assert post.wire.sent == [b"a", b"b", b"c"]
    post(b"d")
    assert len(post.wire.sent) == 3


def test_what_is_posted_to_the_lost_is_dropped(post: Post) -> None:
    post(b"a")
    lost = post(b"b")
    lost.lose()
    post.wire.next_round()
    assert post.wire.sent == [b"a"]

    post(b"c")
    post(b"d")
    post.wire.closing = True
    post.wire.next_round()
    assert post.wire.sent == [b"a", b"c"]


# at both ends of a connection, where everything waits


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything waits, also on a loop whose clock tells no rounds."""

    def post(self: Any, writer: Writer, message: bytes, loop: asyncio.AbstractEventLoop) -> None:
        writer.posted = message
        self._add(writer, loop)

    monkeypatch.setattr(Outbox, "post", post)


async def echo(request: Request) -> Response:
    return Response(200, (), request.path.encode())


async def slow_echo(request: Request) -> Response:
    await asyncio.sleep(0.01)
    return await echo(request)


@pytest.mark.usefixtures("patient")
async def test_answers_to_requests_sent_ahead_keep_their_order(serve: Serve) -> None:
    running = await serve(echo)
    raw = await running.connect()
    await raw.send(ASK % b"a" + ASK % b"b" + ASK % b"c")
    assert [await raw.response() for _ in range(3)] == [(200, b"/a"), (200, b"/b"), (200, b"/c")]
    await raw.close()


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("after", [b"GET b\r\n\r\n", b"GET /b HTTP/1.0\r\nhost: x\r\n\r\n", b"\n"])
async def test_answers_come_before_what_ends_their_connection(serve: Serve, after: bytes) -> None:
    running = await serve(echo)
    answers = await running.exchange(ASK % b"a" + after)
    assert answers.startswith(b"HTTP/1.1 200 ")
    assert answers.count(b"HTTP/1.1 ") == 2


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("handler", [echo, slow_echo])
async def test_who_sends_no_more_is_answered(serve: Serve, handler: Handler) -> None:
    """Its end comes together with its request, and is seen in the round of the answer or before."""
    running = await serve(handler)
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", running.port), timeout=DEADLINE) as sock:
            sock.sendall(ASK % b"a")
            sock.shutdown(socket.SHUT_WR)
            sock.setblocking(False)
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(DEADLINE):
                assert (await loop.sock_recv(sock, 4096)).endswith(b"/a")


@pytest.mark.usefixtures("patient")
async def test_a_server_that_closes_sends_what_waits(serve: Serve) -> None:
    answered = asyncio.Event()

    async def answer(request: Request) -> Response:
        answered.set()
        return Response(200, (), b"a")

    running = await serve(answer)
    raw = await running.connect()
    await raw.send(ASK % b"a")
    await answered.wait()
    closing = asyncio.create_task(running.server.close())
    assert (await raw.rest()).endswith(b"a")
    await closing
    await raw.close()


@pytest.mark.usefixtures("patient")
async def test_a_connection_that_is_retired_sends_what_waits(serve: Serve) -> None:
    """In the very round of its answer."""
    running = await serve(echo)
    raw = await running.connect()
    add = running.server.outbox._add

    class Ending(Outbox):
        def _add(self, writer: Writer, loop: asyncio.AbstractEventLoop) -> None:
            loop.call_soon(connection.retire)
            add(writer, loop)

    (connection,) = running.server._connections
    connection._outlet._outbox = Ending()
    await raw.send(ASK % b"a")
    assert (await raw.rest()).endswith(b"/a")
    await raw.close()


class Asked:
    """Answers all, and notes what it was asked."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    async def __call__(self, request: Request) -> Response:
        self.paths.append(request.path)
        return Response(200, (), b"a")


@pytest.fixture
async def quiet() -> AsyncIterator[None]:
    """Nothing fails behind the test's back."""
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, failure: failures.append(failure))
    yield
    assert failures == []


@pytest.mark.usefixtures("patient", "quiet")
async def test_a_request_that_is_given_up_before_it_left_is_not_sent(serve: Serve) -> None:
    asked = Asked()
    running = await serve(asked)
    async with Client() as client:
        await (await client.request("GET", running.tcp, "/first")).read()
        await client.send("GET", running.tcp, "/second").abandon(DEADLINE)
        await (await client.request("GET", running.tcp, "/third")).read()
    assert asked.paths == ["/first", "/third"]


@pytest.mark.usefixtures("patient", "quiet")
async def test_an_answer_to_what_has_not_left_ends_its_connection(serve: Serve) -> None:
    """Else the next who gets it is answered what somebody else has asked."""
    asked = Asked()
    running = await serve(asked)
    async with Client() as client:
        await (await client.request("GET", running.tcp, "/first")).read()
        sent = client.send("GET", running.tcp, "/second")
        assert sent._pending is not None
        sent._pending.connection.data_received(b"HTTP/1.1 204 Nothing\r\n\r\n")
        assert (await sent.response()).status == 204
        await asyncio.sleep(0.01)  # rounds of the loop
        await (await client.request("GET", running.tcp, "/third")).read()
    assert asked.paths == ["/first", "/third"]


@pytest.mark.usefixtures("patient")
async def test_uploads_begin_with_their_heads(serve: Serve) -> None:
    async def answer(request: Request) -> Response:
        return Response(200, (), await request.read())

    async def pieces() -> Any:
        yield b"a"
        yield b"b"

    running = await serve(answer)
    async with Client() as client:
        for _ in range(3):
            response = await client.request("POST", running.tcp, "/", body=pieces())
            assert await response.read() == b"ab"
