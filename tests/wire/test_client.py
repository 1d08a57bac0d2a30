"""The client: pooled connections, answers, errors."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from sutazai.fleet.errors import (
    BadInput,
    BadPeer,
    ConnectFailed,
    NoModel,
    PeerClosed,
    Unavailable,
)
from sutazai.wire import (
    Address,
    Client,
    ClientLimits,
    Request,
    Response,
    Router,
    Timeout,
    json_response,
)
from tests.wire.conftest import Serve
from tests.wire.handlers import Endless, Stuck, count, describe, echo
from tests.wire.peers import DEADLINE, ScriptedServer

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_a_request_arrives_as_it_was_meant(serve: Serve, client: Client) -> None:
    running = await serve(describe)
    address = Address.parse(f"{running.tcp}/base")
    async with await client.request(
        "PATCH", address, "/a%20b?x=1", headers=[("X-A", "1"), ("x-a", "2")], body=b"hi"
    ) as response:
        seen = await response.json()
    assert response.headers.get("Content-Type") == "application/json"
    assert (seen["method"], seen["target"]) == ("PATCH", "/base/a%20b?x=1")
    assert seen["headers"] == [
        ["host", f"127.0.0.1:{running.port}"], ["X-A", "1"], ["x-a", "2"], ["content-length", "2"],
    ]  # fmt: skip


@pytest.mark.parametrize(("method", "length"), [("GET", None), ("POST", "0"), ("PUT", "0")])
async def test_an_empty_body_is_declared_where_one_is_usual(
    serve: Serve, client: Client, method: str, length: str | None
) -> None:
    seen = await client.call(method, (await serve(describe)).tcp, "/")
    assert dict(seen["headers"]).get("content-length") == length


async def test_a_callers_host_is_kept_and_its_connection_header_is_not(
    serve: Serve, client: Client
) -> None:
    headers = [("Host", "elsewhere"), ("Connection", "keep-alive, x-hop")]
    seen = await client.call("GET", (await serve(describe)).tcp, "/", headers=headers)
    assert seen["headers"] == [["Host", "elsewhere"]]


async def test_a_caller_may_ask_for_the_connection_to_end(serve: Serve, client: Client) -> None:
    running = await serve(echo)
    headers = [("Connection", "close")]
    await (await client.request("GET", running.tcp, "/", headers=headers)).read()
    async with asyncio.timeout(DEADLINE):
        while running.server.connections:
            await asyncio.sleep(0.005)


async def test_one_connection_serves_one_request_after_the_other(
    serve: Serve, client: Client
) -> None:
    running = await serve(describe)
    peers = {(await client.call("GET", running.tcp, "/"))["peer"] for _ in range(10)}
    assert len(peers) == 1


async def test_each_kind_of_answer_leaves_its_connection_usable(
    serve: Serve, client: Client
) -> None:
    async def empty(request: Request) -> Response:
        return Response(204)

    router = Router()
    router.add("GET", "/count", count)
    router.add("GET", "/empty", empty)
    router.add("ANY", "/echo", echo)
    running = await serve(router)
    for method, target, body in (
        ("GET", "/count", b"one,two,three"), ("GET", "/empty", b""), ("HEAD", "/count", b""),
        ("HEAD", "/echo", b""), ("GET", "/echo", b""), ("GET", "/nothing", None),
    ):  # fmt: skip
        response = await client.request(method, running.tcp, target)
        assert body is None or await response.read() == body
        await response.read()
    assert running.server.connections == 1


async def test_requests_at_once_take_connections_of_their_own_within_a_bound(
    serve: Serve,
) -> None:
    most = 0

    async def handler(request: Request) -> Response:
        nonlocal most
        most = max(most, running.server.connections)
        await asyncio.sleep(0.005)
        return Response(200, [], b"ok")

    running = await serve(handler)
    async with Client(ClientLimits(connections=3, idle_connections=1)) as client:

        async def one() -> bytes:
            return await (await client.request("GET", running.tcp, "/")).read()

        assert await asyncio.gather(*(one() for _ in range(20))) == [b"ok"] * 20
        assert most == 3
        async with asyncio.timeout(DEADLINE):
            while running.server.connections > 1:
                await asyncio.sleep(0.005)


async def test_who_stops_waiting_for_a_connection_leaves_it_to_the_next(serve: Serve) -> None:
    may_end = asyncio.Event()

    async def gated(request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"one,"
            await may_end.wait()
            yield b"two"

        return Response(200, [], pieces())

    running = await serve(gated)
    async with Client(ClientLimits(connections=1)) as client:
        first = await client.request("GET", running.tcp, "/")
        waiting = [asyncio.create_task(client.request("GET", running.tcp, "/")) for _ in range(3)]
        await asyncio.sleep(0.01)
        waiting[0].cancel()
        may_end.set()
        await first.read()
        waiting[1].cancel()  # in the same turn in which it is given the connection
        response = await asyncio.wait_for(waiting[2], DEADLINE)
        assert await response.read() == b"one,two"
        assert all(task.cancelled() for task in waiting[:2])


async def test_a_dropped_connection_makes_room_for_who_waits(serve: Serve) -> None:
    handler = Endless(pause=0.001)
    running = await serve(handler)
    async with Client(ClientLimits(connections=1)) as client:
        first = await client.request("GET", running.tcp, "/")
        waiting = asyncio.create_task(client.request("GET", running.tcp, "/"))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        await first.close()
        await (await asyncio.wait_for(waiting, DEADLINE)).close()


async def test_an_answer_can_be_read_after_its_connection_went_to_another(
    serve: Serve, client: Client
) -> None:
    running = await serve(echo)
    first = await client.request("POST", running.tcp, "/", body=b"first")
    await asyncio.sleep(0.02)
    second = await client.request("POST", running.tcp, "/", body=b"second")
    await first.close()
    assert (await first.read(), await second.read()) == (b"first", b"second")
    assert running.server.connections == 1


async def test_a_connection_that_the_server_has_closed_is_replaced(
    client: Client, scripted: Callable[..., ScriptedServer]
) -> None:
    # Answered once, then closed as the second request arrives: the third gets the new connection.
    server = scripted(OK, b"", OK)
    for _ in range(2):
        response = await client.request("POST", server.address, "/", body=b"")
        assert await response.read() == b"ok"
    assert (len(server.requests), server.connections) == (3, 2)


@pytest.mark.parametrize(
    ("method", "repeatable", "times"), [("POST", False, 2), ("POST", True, 3), ("GET", False, 3)]
)
async def test_work_that_a_server_of_ours_died_with_is_not_done_twice(
    client: Client, tmp_path: Path, method: str, repeatable: bool, times: int
) -> None:
    """Only what may be repeated reaches a second server by a Unix socket."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        if len(heads) != 2:
            writer.write(OK)
            await writer.drain()
        if len(heads) == 1:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    path = tmp_path / "s"
    async with await asyncio.start_unix_server(serve, path):
        address = Address.parse(f"unix:{path}")
        await (await client.request(method, address, "/")).read()
        again = client.request(method, address, "/", repeatable=repeatable)
        if times == 2:
            with pytest.raises(PeerClosed):
                await again
        else:
            assert await (await again).read() == b"ok"
    assert len(heads) == times


async def test_a_replacement_that_closes_too_is_an_error(
    client: Client, scripted: Callable[..., ScriptedServer]
) -> None:
    server = scripted(OK, b"", b"", OK)
    await (await client.request("GET", server.address, "/")).read()
    with pytest.raises(PeerClosed):
        await client.request("GET", server.address, "/")
    assert len(server.requests) == 3


async def test_a_new_connection_that_closes_is_not_tried_again(
    client: Client, scripted: Callable[..., ScriptedServer]
) -> None:
    server = scripted(b"", OK)
    with pytest.raises(PeerClosed):
        await client.request("GET", server.address, "/")
    assert len(server.requests) == 1


async def test_a_request_is_not_repeated_once_an_answer_began(
    client: Client, scripted: Callable[..., ScriptedServer]
) -> None:
    server = scripted(OK, b"HTTP/1.1 200 O", OK)

    async def cut_after_second() -> None:
        while len(server.requests) < 2:
            await asyncio.sleep(0.005)
        await server.close()

    await (await client.request("GET", server.address, "/")).read()
    cutting = asyncio.create_task(cut_after_second())
    with pytest.raises(PeerClosed):
        await client.request("GET", server.address, "/")
    await cutting
    assert len(server.requests) == 2


async def test_a_request_whose_body_cannot_be_repeated_is_not(
    client: Client, scripted: Callable[..., ScriptedServer]
) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"once"

    server = scripted(OK, b"", OK)
    await (await client.request("GET", server.address, "/")).read()
    with pytest.raises(PeerClosed):
        await client.request("POST", server.address, "/", body=body())
    assert len(server.requests) == 2


async def test_a_server_that_works_for_a_while_and_dies_is_not_asked_again(
    client: Client, serve: Serve
) -> None:
    stuck = Stuck()

    async def handler(request: Request) -> Response:
        return await (echo if request.path == "/echo" else stuck)(request)

    running = await serve(handler)
    await (await client.request("GET", running.tcp, "/echo")).read()
    request = asyncio.create_task(client.request("POST", running.tcp, "/", body=b"costly"))
    await stuck.started.wait()
    stuck.started.clear()
    await asyncio.sleep(1.1)
    await running.server.close(grace=0)
    with pytest.raises(PeerClosed):
        await request
    assert not stuck.started.is_set()


async def test_bytes_that_nobody_asked_for_end_the_connection(
    client: Client, scripted: Callable[..., ScriptedServer]
) -> None:
    server = scripted(OK + OK, OK)
    for _ in range(2):
        assert await (await client.request("GET", server.address, "/")).read() == b"ok"
    assert server.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        OK.replace(b"1.1", b"1.0"),
        b"HTTP/1.1 200 OK\r\nConnection: x, Close\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\nok\r\n0\r\n\r\n",
    ],
)
async def test_a_connection_that_the_server_gives_up_is_not_used_again(
    client: Client, scripted: Callable[..., ScriptedServer], answer: bytes
) -> None:
    server = scripted(answer, OK)
    for _ in range(2):
        assert await (await client.request("GET", server.address, "/")).read() == b"ok"
    assert server.connections == 2


async def test_an_old_server_may_keep_the_connection(
    client: Client, scripted: Callable[..., ScriptedServer]
) -> None:
    old = b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"
    server = scripted(old, old)
    for _ in range(2):
        assert await (await client.request("GET", server.address, "/")).read() == b"ok"
    assert server.connections == 1


async def test_interim_answers_are_passed_over(
    client: Client, scripted: Callable[..., ScriptedServer]
) -> None:
    server = scripted(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + OK)
    response = await client.request("GET", server.address, "/")
    assert (response.status, await response.read()) == (200, b"ok")


@pytest.mark.parametrize("head", [b"204 No Content", b"304 Not Modified"])
async def test_statuses_without_a_body_have_none_whatever_they_declare(
    client: Client, scripted: Callable[..., ScriptedServer], head: bytes
) -> None:
    server = scripted(b"HTTP/1.1 " + head + b"\r\nContent-Length: 5\r\n\r\n", OK)
    assert await (await client.request("GET", server.address, "/")).read() == b""
    assert await (await client.request("GET", server.address, "/")).read() == b"ok"


async def test_an_upload_streams_and_is_answered(serve: Serve, client: Client) -> None:
    async def body() -> AsyncIterator[bytes]:
        for piece in (b"a" * 100_000, b"", b"b" * 100_000):
            yield piece

    running = await serve(echo)
    for _ in range(2):
        response = await client.request("POST", running.unix, "/", body=body())
        assert len(await response.read()) == 200_000
    assert running.server.connections == 1


async def test_an_answer_above_the_limit_is_not_collected(serve: Serve) -> None:
    running = await serve(echo)
    async with Client(ClientLimits(body=1000)) as client:
        response = await client.request("POST", running.tcp, "/", body=b"x" * 1001)
        with pytest.raises(BadPeer):
            await response.read()
        response = await client.request("POST", running.tcp, "/", body=b"x" * 1001)
        assert len(b"".join([piece async for piece in response.stream()])) == 1001


async def test_json_goes_in_and_comes_out(serve: Serve, client: Client) -> None:
    running = await serve(echo)
    value = {"text": "größer", "list": [1, 2.5, None]}
    assert await client.call("POST", running.unix, "/", value) == value
    assert await client.call("GET", running.unix, "/") is None


async def test_an_error_crosses_between_processes(serve: Serve, client: Client) -> None:
    async def failing(request: Request) -> Response:
        raise NoModel("no model is loaded", hint="wait", tier="fast")

    with pytest.raises(NoModel) as caught:
        await client.call("GET", (await serve(failing)).unix, "/")
    assert (caught.value.hint, caught.value.data) == ("wait", {"tier": "fast"})


@pytest.mark.parametrize(
    "response",
    [
        Response(404, [], b"<html>"),
        Response(500, [], b'{"error": "text"}'),
        Response(400, [], b"[1]"),
        Response(302, [("location", "/elsewhere")]),
        Response(200, [], b"{"),
        Response(200, [], b"\xff"),
        Response(200, [], b"[" * 100_000),
    ],
)
async def test_an_answer_of_another_kind_is_the_peers_fault(
    serve: Serve, client: Client, response: Response
) -> None:
    async def handler(request: Request) -> Response:
        return response

    with pytest.raises(BadPeer):
        await client.call("GET", (await serve(handler)).tcp, "/")


async def test_where_nobody_listens_the_connection_fails(
    client: Client, serve: Serve, folder: Path
) -> None:
    running = await serve(echo)
    await running.server.close()
    for address in (
        running.tcp, running.unix, Address.parse(f"unix:{folder}/none"),
        Address.parse("http://host.invalid:80"), Address.parse("unix:/" + "x" * 200),
    ):  # fmt: skip
        with pytest.raises(ConnectFailed) as caught:
            await client.request("GET", address, "/")
        assert caught.value.__cause__ is not None


async def test_a_failed_connection_does_not_take_a_place_for_ever(serve: Serve) -> None:
    running = await serve(echo)
    await running.server.close()
    async with Client(ClientLimits(connections=1)) as client:
        for _ in range(3):
            with pytest.raises(ConnectFailed):
                await client.request("GET", running.tcp, "/", timeout=Timeout(connect=1))


async def test_an_upload_that_cannot_begin_is_closed(client: Client, folder: Path) -> None:
    class Body:
        closed = False

        def __aiter__(self) -> AsyncIterator[bytes]:
            return self

        async def __anext__(self) -> bytes:
            raise StopAsyncIteration

        async def aclose(self) -> None:
            self.closed = True

    for target in ("/", "no path"):
        body = Body()
        with pytest.raises((ConnectFailed, BadInput)):
            await client.request("POST", Address.parse(f"unix:{folder}/none"), target, body=body)
        assert body.closed


async def test_an_upload_that_is_given_up_is_closed(serve: Serve, client: Client) -> None:
    begun, closed = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        try:
            yield b"x"
            begun.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # its closing may take a turn
            closed.set()

    running = await serve(echo)
    request = asyncio.create_task(client.request("POST", running.tcp, "/", body=body()))
    await begun.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert closed.is_set()


async def test_a_closed_client_fails_what_is_under_way_and_takes_no_more(serve: Serve) -> None:
    handler = Stuck()
    running = await serve(handler)
    client = Client(ClientLimits(connections=1))
    requests = [asyncio.create_task(client.request("GET", running.tcp, "/")) for _ in range(2)]
    await handler.started.wait()
    await client.close()
    for request in requests:
        with pytest.raises(PeerClosed):
            await request
    with pytest.raises(Unavailable):
        await client.request("GET", running.tcp, "/")


async def test_pools_of_servers_that_are_gone_are_forgotten(serve: Serve) -> None:
    async with Client(ClientLimits(idle_timeout=0.05)) as client:
        for _ in range(3):
            running = await serve(echo)
            await (await client.request("GET", running.unix, "/")).read()
            await running.server.close()
        async with asyncio.timeout(DEADLINE):
            while client._pools:
                await asyncio.sleep(0.005)


async def test_a_request_that_replaces_the_last_connection_is_closed_with_the_client(
    scripted: Callable[..., ScriptedServer],
) -> None:
    """Its pool was empty for a moment, and is the client's all the same."""
    server = scripted(OK, b"", OK)
    client = Client()
    assert (await client.request("GET", server.address, "/")).status == 200
    assert (await client.request("GET", server.address, "/")).status == 200
    (pool,) = client._pools.values()
    (connection,) = pool._connections
    await client.close()
    assert connection._lost


@pytest.mark.parametrize("turns", range(10))
async def test_a_request_may_be_given_up_in_any_turn_of_the_loop(serve: Serve, turns: int) -> None:
    running = await serve(echo)
    async with Client(ClientLimits(connections=1)) as client:
        for address in (running.tcp, running.unix):
            for _ in range(5):
                request = asyncio.create_task(client.request("POST", address, "/", body=b"x"))
                for _ in range(turns):
                    await asyncio.sleep(0)
                request.cancel()
                await asyncio.gather(request, return_exceptions=True)
            response = await client.request("POST", address, "/", body=b"whole")
            assert await response.read() == b"whole"


async def test_a_request_that_fails_as_it_is_given_up_is_given_up(
    scripted: Callable[..., ScriptedServer], client: Client
) -> None:
    server = scripted(None)
    request = asyncio.create_task(client.request("GET", server.address, "/"))
    while not server.requests:
        await asyncio.sleep(0)
    (pool,) = client._pools.values()
    (connection,) = pool._connections
    connection.fail(PeerClosed("in the same turn"))
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request


async def test_both_ends_send_at_once_and_notice_who_is_silent_for_ever(
    serve: Serve, client: Client
) -> None:
    running = await serve(count)
    response = await client.request("GET", running.tcp, "/")
    (served,) = running.server._connections
    for transport in (served._transport, response._connection._transport):
        sock = transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
    await response.close()


async def test_an_answer_that_comes_with_a_value_is_json(serve: Serve, client: Client) -> None:
    async def handler(request: Request) -> Response:
        return json_response({"got": await request.json()}, 201, [("x-a", "b")])

    running = await serve(handler)
    assert await client.call("PUT", running.tcp, "/", [1], headers=[("x", "y")]) == {"got": [1]}
