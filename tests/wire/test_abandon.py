"""Answers that nobody wants any more: the server is told, and waited for until it has stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from sutazai.wire import Address, Client, Request, Response, Sent, ServerLimits
from sutazai.wire.limits import HIGH_WATER
from tests.wire.conftest import Serve
from tests.wire.handlers import Endless, Stuck, count, echo
from tests.wire.peers import DEADLINE, ScriptedServer

GRACE = 60.0  # far more than any test takes
SOON = ServerLimits(half_closed=0.05)
UNIX = pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Patient:
    """A server that hears of a client's leaving when it likes, and counts what it did for it."""

    def __init__(self) -> None:
        self.left, self.may_stop = asyncio.Event(), asyncio.Event()
        self.closed = False

    async def start(self, answer: bytes) -> asyncio.Server:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await reader.read()
            self.left.set()
            await self.may_stop.wait()
            self.closed = True
            writer.close()
            await writer.wait_closed()

        return await asyncio.start_server(serve, "127.0.0.1", 0)


async def given_up(sent: Sent, heard: asyncio.Event) -> None:
    """Waits for its answer, and is cancelled once the server has ``heard`` of it."""
    waiting = asyncio.create_task(sent.response())
    await heard.wait()
    waiting.cancel()
    await asyncio.wait([waiting])


@UNIX
async def test_a_streaming_server_stops_and_is_waited_for(
    serve: Serve, client: Client, unix: bool
) -> None:
    handler = Endless(pause=0.001)
    running = await serve(handler, SOON)
    response = await client.request("GET", running.unix if unix else running.tcp, "/")
    async with asyncio.timeout(DEADLINE):
        await response.abandon(GRACE)
        await handler.closed.wait()
        while running.server.connections:
            await asyncio.sleep(0.001)


@UNIX
async def test_a_server_that_has_not_answered_yet_stops_and_is_waited_for(
    serve: Serve, client: Client, unix: bool
) -> None:
    handler = Stuck()
    running = await serve(handler, SOON)
    sent = client.send("GET", running.unix if unix else running.tcp, "/")
    async with asyncio.timeout(DEADLINE):
        await given_up(sent, handler.started)
        assert not handler.cancelled.is_set()
        await sent.abandon(GRACE)
        await handler.cancelled.wait()


async def test_it_returns_when_the_server_has_stopped_and_not_before(client: Client) -> None:
    patient = Patient()
    server = await patient.start(CHUNKED + b"4\r\nhalf\r\n")
    port = server.sockets[0].getsockname()[1]
    response = await client.request("GET", address_of(port), "/")
    leaving = asyncio.create_task(response.abandon(GRACE))
    async with asyncio.timeout(DEADLINE):
        await patient.left.wait()
        await asyncio.sleep(0.05)
        assert not leaving.done()
        patient.may_stop.set()
        await leaving
    assert patient.closed
    server.close()


async def test_a_server_that_does_not_hear_is_left_after_the_grace(client: Client) -> None:
    patient = Patient()
    server = await patient.start(CHUNKED + b"4\r\nhalf\r\n")
    port = server.sockets[0].getsockname()[1]
    response = await client.request("GET", address_of(port), "/")
    async with asyncio.timeout(DEADLINE):
        await response.abandon(0.05)
    assert patient.left.is_set() and not patient.closed
    patient.may_stop.set()
    server.close()


@pytest.mark.parametrize("begun", [False, True], ids=["before the head", "in the body"])
async def test_an_answer_that_comes_to_its_end_all_the_same_is_as_good(
    client: Client, begun: bool
) -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        heard.set()
        if begun:
            writer.write(CHUNKED + b"4\r\nhalf\r\n")
        await reader.read()
        writer.write(b"" if begun else CHUNKED)
        for _ in range(2 * HIGH_WATER // 4096):  # more than is kept for a reader
            writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        writer.write(b"0\r\n\r\n")
        await gone.wait()
        writer.close()
        closed.set()

    heard, gone, closed = asyncio.Event(), asyncio.Event(), asyncio.Event()
    server = await asyncio.start_server(deaf, "127.0.0.1", 0)
    address = address_of(server.sockets[0].getsockname()[1])
    sent = client.send("GET", address, "/")
    async with asyncio.timeout(DEADLINE):
        if begun:
            await (await sent.response()).abandon(GRACE)
        else:
            await given_up(sent, heard)
            await sent.abandon(GRACE)
        gone.set()
        await closed.wait()
        await asyncio.sleep(0)  # the closing itself
    server.close()


async def test_an_answer_that_is_whole_already_costs_nothing(serve: Serve, client: Client) -> None:
    running = await serve(count)
    sent = client.send("GET", running.tcp, "/")
    response = await sent.response()
    assert await response.read()
    await response.abandon(GRACE)
    await sent.abandon(GRACE)
    assert await (await client.request("GET", running.tcp, "/")).read()
    assert running.server.connections == 1


async def test_a_server_that_is_gone_already_is_not_waited_for(
    client: Client, scripted: Callable[..., ScriptedServer]
) -> None:
    server = scripted(CHUNKED + b"4\r\nhalf\r\n")
    response = await client.request("GET", server.address, "/")
    async with asyncio.timeout(DEADLINE):
        await server.close()
        await asyncio.sleep(0.05)
        await response.abandon(GRACE)


async def test_who_is_cancelled_in_it_drops_the_connection(serve: Serve, client: Client) -> None:
    handler = Endless(pause=0.001)
    running = await serve(handler, ServerLimits(half_closed=60))
    response = await client.request("GET", running.tcp, "/")
    leaving = asyncio.create_task(response.abandon(GRACE))
    await asyncio.sleep(0.05)
    assert not handler.closed.is_set()
    leaving.cancel()
    async with asyncio.timeout(DEADLINE):
        await asyncio.wait([leaving])
        await handler.closed.wait()


async def test_a_request_that_was_sent_can_be_dropped_too(serve: Serve, client: Client) -> None:
    handler = Stuck()
    sent = client.send("GET", (await serve(handler)).tcp, "/")
    async with asyncio.timeout(DEADLINE):
        await given_up(sent, handler.started)
        sent.drop()
        sent.drop()
        await handler.cancelled.wait()


async def test_a_reader_that_did_not_read_does_not_keep_the_server_from_stopping(
    serve: Serve, client: Client
) -> None:
    handler = Endless(b"x" * 65536)
    running = await serve(handler, SOON)
    response = await client.request("GET", running.tcp, "/")
    await asyncio.sleep(0.1)  # until the server waits for us
    async with asyncio.timeout(DEADLINE):
        await response.abandon(GRACE)
        await handler.closed.wait()


async def test_an_upload_is_not_waited_for(serve: Serve, client: Client) -> None:
    async def source() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1000
            await asyncio.sleep(0.001)

    async def mirror(request: Request) -> Response:
        return Response(200, [], request.stream())

    running = await serve(mirror)
    response = await client.request("POST", running.tcp, "/", body=source())
    async with asyncio.timeout(DEADLINE):
        await response.abandon(GRACE)
        while running.server.connections:
            await asyncio.sleep(0.001)
    assert await (await client.request("POST", (await serve(echo)).tcp, "/", body=b"x")).read()


def address_of(port: int) -> Address:
    return Address.parse(f"http://127.0.0.1:{port}")


async def test_a_request_that_nobody_waits_for_opens_no_connection(
    serve: Serve, client: Client
) -> None:
    handler = Stuck()
    address = (await serve(handler)).tcp
    sent = client.send("GET", address, "/")
    await sent.abandon(GRACE)  # there was none
    sent.drop()
    assert not handler.started.is_set()


async def test_on_a_free_connection_it_is_sent_at_once(serve: Serve, client: Client) -> None:
    stuck = Stuck()

    async def second(request: Request) -> Response:
        return await (stuck(request) if request.target == "/stuck" else echo(request))

    address = (await serve(second, SOON)).tcp
    await (await client.request("GET", address, "/")).read()
    sent = client.send("GET", address, "/stuck")
    async with asyncio.timeout(DEADLINE):
        await stuck.started.wait()
        await sent.abandon(GRACE)
        await stuck.cancelled.wait()
