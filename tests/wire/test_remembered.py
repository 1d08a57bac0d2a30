"""Handlers that are asked at once where the next head is like the one before."""

from __future__ import annotations

import pytest

from sutazai.wire import Request, Response
from tests.wire.conftest import Serve
from tests.wire.peers import Raw


async def inner(request: Request) -> Response:
    return Response(200, (), b"inner " + await request.read())


class Chooser:
    """A server's handler that gives everything to `inner`, and has it remembered for posts."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self, request: Request) -> Response:
        self.asked += 1
        if request.method == "POST":
            request.remember(inner)
        return await inner(request)


def post(body: bytes, *more: bytes, target: bytes = b"/a") -> bytes:
    fields = b"".join(b"%b\r\n" % field for field in (b"host: x", *more))
    return b"POST %b HTTP/1.1\r\n%bcontent-length: %d\r\n\r\n%b" % (target, fields, len(body), body)


async def ask(raw: Raw, request: bytes, body: bytes) -> None:
    await raw.send(request)
    assert await raw.response() == (200, b"inner " + body)


@pytest.fixture
def chooser() -> Chooser:
    return Chooser()


async def test_who_was_remembered_is_asked_at_once(serve: Serve, chooser: Chooser) -> None:
    raw = await (await serve(chooser)).connect()
    for body in (b"1", b"2", b"3", b"a longer one", b"4"):
        await ask(raw, post(body), body)
    assert chooser.asked == 2, "what comes once is not worth remembering"
    await raw.close()


async def test_another_head_is_for_the_server(serve: Serve, chooser: Chooser) -> None:
    raw = await (await serve(chooser)).connect()
    for _ in range(3):
        await ask(raw, post(b"x"), b"x")
    for request in (post(b"x", target=b"/b"), post(b"x", b"origin: http://evil")):
        before = chooser.asked
        await ask(raw, request, b"x")
        assert chooser.asked == before + 1
    await raw.close()


async def test_it_holds_for_one_connection(serve: Serve, chooser: Chooser) -> None:
    running = await serve(chooser)
    for count in (2, 4):
        raw = await running.connect()
        for _ in range(3):
            await ask(raw, post(b"x"), b"x")
        assert chooser.asked == count
        await raw.close()


async def test_it_can_be_forgotten(serve: Serve, chooser: Chooser) -> None:
    running = await serve(chooser)
    raw = await running.connect()
    for _ in range(3):
        await ask(raw, post(b"x"), b"x")
    running.server.forget()
    await ask(raw, post(b"x"), b"x")
    assert chooser.asked == 3
    await raw.close()


async def test_what_is_sent_ahead_is_for_the_same(serve: Serve, chooser: Chooser) -> None:
    raw = await (await serve(chooser)).connect()
    bodies = [b"%d" % number for number in range(6)]
    await raw.send(b"".join(map(post, bodies)))
    for body in bodies:
        assert await raw.response() == (200, b"inner " + body)
    assert chooser.asked == 2
    await raw.close()


async def test_who_remembered_nothing_is_always_asked(serve: Serve, chooser: Chooser) -> None:
    raw = await (await serve(chooser)).connect()
    for count in range(1, 4):
        await ask(raw, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"")
        assert chooser.asked == count
    await raw.close()


@pytest.mark.parametrize("remembers", [True, False])
async def test_a_special_handler_takes_the_place_of_one_that_is_remembered(
    serve: Serve, remembers: bool
) -> None:
    asked: list[str] = []

    async def general(request: Request) -> Response:
        asked.append("general")
        request.specialise(special)
        return await inner(request)

    async def special(request: Request) -> Response:
        asked.append("special")
        return await inner(request)

    async def chooser(request: Request) -> Response:
        asked.append("chooser")
        if remembers:
            request.remember(general)
        return await general(request)

    raw = await (await serve(chooser)).connect()
    for _ in range(4):
        await ask(raw, post(b"x"), b"x")
    first = ["chooser", "general"]
    assert asked == (first * 2 + ["special"] * 2 if remembers else first * 4)
    await raw.close()
