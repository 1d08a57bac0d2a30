"""The server as clients see it: raw bytes in, raw bytes out."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sutazai.fleet.errors import BadInput, NotFound, PortTaken
from sutazai.wire import (
    Address,
    Client,
    Headers,
    Request,
    Response,
    Server,
    ServerLimits,
    error_response,
    json_response,
)
from tests.wire.conftest import Serve
from tests.wire.handlers import count, describe, echo, mirror

GET = b"GET /%b HTTP/1.1\r\nHost: h\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


async def test_a_handler_learns_all_about_its_request(serve: Serve) -> None:
    running = await serve(describe)
    raw = await running.connect()
    await raw.send(
        b"GET /a%20b/c?x=1&y=%C3%A9&x=2 HTTP/1.1\r\nHost: h\r\nX-A:  v \t\r\nX-B:\r\n\r\n"
    )
    status, body = await raw.response()
    host, port = raw.writer.get_extra_info("sockname")
    assert status == 200
    assert json.loads(body) == {
        "method": "GET",
        "target": "/a%20b/c?x=1&y=%C3%A9&x=2",
        "path": "/a b/c",
        "query": {"x": "2", "y": "é"},
        "headers": [["Host", "h"], ["X-A", "v"], ["X-B", ""]],
        "listener": "tcp",
        "peer": f"{host}:{port}",
    }
    await raw.close()


async def test_a_unix_socket_serves_the_same_under_its_own_name(serve: Serve) -> None:
    running = await serve(describe)
    answer = await running.exchange(LAST, unix=True)
    assert b'"listener":"unix","peer":""' in answer


@pytest.mark.parametrize("pieces", [1, 2, 400])
async def test_a_request_may_come_in_any_number_of_pieces(serve: Serve, pieces: int) -> None:
    running = await serve(echo)
    raw = await running.connect()
    data = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\nhello world"
    size = -(-len(data) // pieces)
    for start in range(0, len(data), size):
        await raw.send(data[start : start + size])
        await asyncio.sleep(0)
    assert await raw.response() == (200, b"hello world")
    await raw.close()


async def test_chunks_are_joined_and_their_extensions_and_trailers_dropped(serve: Serve) -> None:
    running = await serve(echo)
    raw = await running.connect()
    await raw.send(
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n"
        b'5;a=b;c="d"\r\nhello\r\n006\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n' + LAST
    )
    assert await raw.response() == (200, b"hello world")
    assert b"x-target: /last" in await raw.rest()
    await raw.close()


async def test_pipelined_requests_are_answered_in_their_order(serve: Serve) -> None:
    async def slower_first(request: Request) -> Response:
        await asyncio.sleep(0.05 if request.path == "/0" else 0)
        return Response(200, [], request.path.encode())

    running = await serve(slower_first)
    raw = await running.connect()
    await raw.send(b"".join(GET % b"%d" % number for number in range(20)))
    answers = [(await raw.response())[1] for _ in range(20)]
    assert answers == [b"/%d" % number for number in range(20)]
    await raw.close()


async def test_more_pipelined_requests_than_are_kept_all_get_answers(serve: Serve) -> None:
    running = await serve(echo)
    raw = await running.connect()
    requests = b"".join(GET % b"x" for _ in range(5000)) + LAST
    _, answers = await asyncio.gather(raw.send(requests), raw.rest())
    assert answers.count(b"HTTP/1.1 200 OK") == 5001
    await raw.close()


async def test_an_iterated_body_goes_out_in_chunks(serve: Serve) -> None:
    running = await serve(count)
    answer = await running.exchange(LAST)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head
    assert body == b"4\r\none,\r\n4\r\ntwo,\r\n5\r\nthree\r\n0\r\n\r\n"


async def test_an_iterated_body_of_declared_length_goes_out_as_it_is(serve: Serve) -> None:
    async def declared(request: Request) -> Response:
        response = await count(request)
        response.headers = [("Content-Length", "13")]
        return response

    answer = await (await serve(declared)).exchange(LAST)
    assert b"transfer-encoding" not in answer
    assert answer.endswith(b"\r\n\r\none,two,three")


@pytest.mark.parametrize("length", [12, 14])
async def test_a_body_of_another_than_its_declared_length_is_cut(serve: Serve, length: int) -> None:
    async def declared(request: Request) -> Response:
        response = await count(request)
        response.headers = [("Content-Length", str(length))]
        return response

    answer = await (await serve(declared)).exchange(GET % b"")
    assert len(answer.partition(b"\r\n\r\n")[2]) < length


async def test_a_body_that_fails_under_way_is_never_ended_properly(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async def failing(request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"half"
            raise RuntimeError("bug")

        return Response(200, [], pieces())

    answer = await (await serve(failing)).exchange(GET % b"")
    assert answer.endswith(b"4\r\nhalf\r\n")
    assert "bug" in caplog.text


@pytest.mark.parametrize("body", ["bytes", "iterated"])
async def test_head_gets_the_head_only_and_the_connection_goes_on(serve: Serve, body: str) -> None:
    running = await serve(count if body == "iterated" else describe)
    raw = await running.connect()
    await raw.send(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n" + LAST)
    head = await raw.head()
    assert (b"content-length" in head) == (body == "bytes")
    assert (await raw.rest()).startswith(b"HTTP/1.1 200 OK\r\n")
    await raw.close()


@pytest.mark.parametrize("status", [204, 304])
async def test_statuses_without_a_body_send_none(serve: Serve, status: int) -> None:
    async def empty(request: Request) -> Response:
        return await count(request) if request.path == "/i" else Response(status)

    async def handler(request: Request) -> Response:
        response = await empty(request)
        response.status = status
        return response

    raw = await (await serve(handler)).connect()
    await raw.send(GET % b"i" + GET % b"" + LAST)
    for _ in range(2):
        head = await raw.head()
        assert b"content-length" not in head and b"transfer-encoding" not in head
    assert (await raw.rest()).startswith(b"HTTP/1.1 %d " % status)
    await raw.close()


async def test_an_old_client_gets_no_chunks_and_an_end_that_is_the_connections(
    serve: Serve,
) -> None:
    answer = await (await serve(count)).exchange(b"GET / HTTP/1.0\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head and b"connection: close" in head
    assert body == b"one,two,three"


async def test_an_old_client_may_ask_to_keep_the_connection(serve: Serve) -> None:
    raw = await (await serve(echo)).connect()
    await raw.send(b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
    assert b"connection: keep-alive" in await raw.head()
    await raw.send(b"GET / HTTP/1.0\r\n\r\n")
    assert b"connection: close" in await raw.rest()
    await raw.close()


@pytest.mark.parametrize("value", [b"close", b"Close", b"x, close", b"close,y"])
async def test_a_connection_ends_when_the_client_says_so(serve: Serve, value: bytes) -> None:
    request = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: %b\r\n\r\n" % value
    answer = await (await serve(echo)).exchange(request + GET % b"unheard")
    assert answer.count(b"HTTP/1.1") == 1
    assert b"connection: close\r\n" in answer


async def test_a_connection_ends_when_the_handler_says_so(serve: Serve) -> None:
    async def ending(request: Request) -> Response:
        return Response(200, [("Connection", "close")])

    answer = await (await serve(ending)).exchange(GET % b"")
    assert answer.lower().count(b"connection: close") == 1


async def test_a_client_that_waits_for_leave_gets_it_when_the_body_is_wanted(serve: Serve) -> None:
    raw = await (await serve(echo)).connect()
    await raw.send(
        b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n"
    )
    assert await raw.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
    await raw.send(b"ok")
    assert await raw.response() == (200, b"ok")
    await raw.close()


async def test_a_client_that_sends_without_leave_is_not_given_it(serve: Serve) -> None:
    raw = await (await serve(echo)).connect()
    await raw.send(
        b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok"
    )
    assert await raw.response() == (200, b"ok")
    await raw.close()


async def test_a_refusal_instead_of_leave_ends_the_connection(serve: Serve) -> None:
    async def refusing(request: Request) -> Response:
        return json_response({}, 403)

    answer = await (await serve(refusing)).exchange(
        b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 403 ") and b"connection: close" in answer


async def test_a_small_body_that_nobody_reads_does_not_cost_the_connection(serve: Serve) -> None:
    async def deaf(request: Request) -> Response:
        return Response(200, [], request.path.encode())

    raw = await (await serve(deaf)).connect()
    await raw.send(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n")
    assert await raw.response() == (200, b"/a")
    await raw.send(b"hello" + GET % b"b")
    assert await raw.response() == (200, b"/b")
    await raw.close()


async def test_who_sends_a_large_body_that_nobody_reads_still_reads_the_answer(
    serve: Serve,
) -> None:
    async def deaf(request: Request) -> Response:
        return json_response({"error": "no"}, 401)

    raw = await (await serve(deaf)).connect()
    raw.writer.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n\r\n")
    raw.writer.write(b"x" * 3_000_000)
    answer = await raw.rest()
    assert answer.startswith(b"HTTP/1.1 401 ") and b"connection: close" in answer
    await raw.close()


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_above_the_limit_is_refused(serve: Serve, chunked: bool) -> None:
    running = await serve(echo, ServerLimits(body=1000))
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 1001"
    body = b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n" if chunked else b"x" * 1001
    answer = await running.exchange(
        b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%b\r\n\r\n%b" % (framing, body)
    )
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"BodyTooLarge"' in answer


async def test_a_head_above_the_limit_is_refused_also_while_it_is_coming(serve: Serve) -> None:
    running = await serve(echo, ServerLimits(header=1000))
    for end in (b"\r\n\r\n", b""):
        answer = await running.exchange(b"GET / HTTP/1.1\r\nX: " + b"x" * 1000 + end)
        assert answer.startswith(b"HTTP/1.1 431 ")


async def test_the_limit_holds_for_a_head_that_only_has_a_longer_length_than_the_last(
    serve: Serve,
) -> None:
    start, end = b"POST / HTTP/1.1\r\nHost: h\r\nX: ", b"\r\nContent-Length: "
    head = start + b"x" * (1000 - len(start + end) - 1) + end
    raw = await (await serve(echo, ServerLimits(header=1000))).connect()
    for _ in range(3):
        await raw.send(head + b"2\r\n\r\nok")
        assert await raw.response() == (200, b"ok")
    await raw.send(head + b"10\r\n\r\n" + b"x" * 10)
    assert (await raw.rest()).startswith(b"HTTP/1.1 431 ")
    await raw.close()


async def test_a_head_of_exactly_the_limit_is_served_in_any_pieces(serve: Serve) -> None:
    running = await serve(echo, ServerLimits(header=1000))
    start = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX: "
    head = start + b"x" * (1000 - len(start)) + b"\r\n\r\n"
    for places in ((), (1001,), (1002,), (1003,)):
        raw = await running.connect()
        for begin, end in zip((0, *places), (*places, len(head)), strict=True):
            await raw.send(head[begin:end])
            await asyncio.sleep(0.01)
        assert (await raw.rest()).startswith(b"HTTP/1.1 200 ")
        await raw.close()


async def test_a_handlers_own_error_goes_out_as_json_with_its_status(serve: Serve) -> None:
    async def failing(request: Request) -> Response:
        raise NotFound("no such agent", hint="see `sutazai agents`", name="planner")

    answer = await (await serve(failing)).exchange(LAST)
    assert answer.startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {
        "error": {
            "code": "NotFound",
            "message": "no such agent",
            "hint": "see `sutazai agents`",
            "data": {"name": "planner"},
        }
    }


async def test_a_handlers_bug_is_logged_and_not_told(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async def buggy(request: Request) -> Response:
        raise ZeroDivisionError("a secret detail")

    raw = await (await serve(buggy)).connect()
    for _ in range(2):  # the connection outlives it
        await raw.send(GET % b"path?key=secret")
        status, body = await raw.response()
        assert status == 500 and b"secret" not in body
    assert "a secret detail" in caplog.text and "key=secret" not in caplog.text
    await raw.close()


@pytest.mark.parametrize(
    "response",
    [
        Response(200, [("x", "a\r\nset-cookie: b")]),
        Response(200, [("x\r\ny", "a")]),
        Response(200, [("x: y", "a")]),
        Response(200, [("x", "a\0")]),
        Response(200, [("x", "\u20ac")]),
        Response(200, [("", "a")]),
        Response(200, [("transfer-encoding", "chunked")]),
        Response(200, [("content-length", "5")], b"four"),
        Response(200, [("content-length", "4"), ("content-length", "4")], b"four"),
        Response(200, [("content-length", "+4")], b"four"),
        Response(99), Response(101), Response(600),
        Response(200, [], "text"),  # type: ignore[arg-type]
        None,
    ],
)  # fmt: skip
async def test_a_response_that_cannot_be_sent_becomes_an_error_and_is_logged(
    serve: Serve, response: Response, caplog: pytest.LogCaptureFixture
) -> None:
    async def wrong(request: Request) -> Response:
        return response

    answer = await (await serve(wrong)).exchange(LAST)
    assert answer.startswith(b"HTTP/1.1 500 ") and answer.count(b"\r\n\r\n") == 1
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_a_bad_response_to_head_declares_the_error_and_sends_none(serve: Serve) -> None:
    async def wrong(request: Request) -> Response:
        return Response(200, [("x", "\n")])

    answer = await (await serve(wrong)).exchange(
        b"HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 500 ") and answer.endswith(b"\r\n\r\n")


async def test_bad_json_and_bad_queries_are_the_clients_fault(serve: Serve) -> None:
    async def parse(request: Request) -> Response:
        assert request.query is not None
        return json_response(await request.json())

    running = await serve(parse)
    for target, body in ((b"/", b"{"), (b"/", b"[" * 100_000), (b"/?" + b"&a" * 1001, b"1")):
        head = b"POST %b HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        answer = await running.exchange(head % (target, len(body)) + body)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b'"code":"BadInput"' in answer


async def test_half_of_a_surrogate_pair_travels_in_json(serve: Serve) -> None:
    async def broken(request: Request) -> Response:
        return json_response({"text": "\ud83d", "more": "é"})

    answer = await (await serve(broken)).exchange(LAST)
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"text": "\ud83d", "more": "é"}


async def test_a_status_without_a_body_declares_none_either(serve: Serve) -> None:
    async def empty(request: Request) -> Response:
        return Response(int(request.path[1:]), [("Content-Length", "5")], b"hello")

    raw = await (await serve(empty)).connect()
    await raw.send(GET % b"204" + GET % b"304" + GET % b"200")
    assert b"content-length" not in await raw.head()
    assert b"content-length: 5" in await raw.head()  # what a GET would have got
    assert await raw.response() == (200, b"hello")
    await raw.close()


async def test_a_date_is_sent_unless_the_handler_gives_one(serve: Serve) -> None:
    async def dated(request: Request) -> Response:
        return Response(200, [("Date", "then")] if request.path == "/then" else [])

    raw = await (await serve(dated)).connect()
    await raw.send(GET % b"" + GET % b"then")
    assert b" GMT\r\n" in await raw.head()
    assert (await raw.head()).lower().count(b"date:") == 1
    await raw.close()


@pytest.mark.parametrize("unix", [False, True])
async def test_a_client_that_shut_its_sending_side_still_gets_all_its_answers(
    serve: Serve, unix: bool
) -> None:
    raw = await (await serve(echo)).connect(unix=unix)
    raw.writer.write(GET % b"a" + GET % b"b")
    raw.half_close()
    assert (await raw.rest()).count(b"HTTP/1.1 200 OK") == 2
    await raw.close()


async def test_a_streamed_body_can_be_sent_back_while_it_comes(
    serve: Serve, client: Client
) -> None:
    running = await serve(mirror)
    raw = await running.connect()
    await raw.send(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    await raw.head()
    for word in (b"first", b"second"):
        await raw.send(b"%x\r\n%b\r\n" % (len(word), word))
        assert await raw.exactly(len(word) + 5) == b"%x\r\n%b\r\n" % (len(word), word)
    await raw.send(b"0\r\n\r\n")
    assert await raw.exactly(5) == b"0\r\n\r\n"
    await raw.close()


@pytest.mark.parametrize("body", [b"", b"here already"])
async def test_a_body_that_came_with_its_head_can_be_streamed_too(
    serve: Serve, client: Client, body: bytes
) -> None:
    running = await serve(mirror)
    for _ in range(2):
        response = await client.request("POST", running.tcp, "/", body=body)
        assert await response.read() == body
    assert running.server.connections == 1


async def test_closing_lets_requests_end_and_refuses_new_ones(serve: Serve) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def slow(request: Request) -> Response:
        begun.set()
        await may_end.wait()
        return Response(200, [], b"done")

    running = await serve(slow)
    busy, idle = await running.connect(), await running.connect(unix=True)
    await busy.send(GET % b"")
    await begun.wait()
    closing = asyncio.create_task(running.server.close(grace=5))
    assert await idle.rest() == b""
    with pytest.raises(OSError):
        await running.connect()
    assert not running.path.exists()
    may_end.set()
    answer = await busy.rest()
    assert b"connection: close" in answer and answer.endswith(b"done")
    await closing
    for raw in (busy, idle):
        await raw.close()


async def test_closing_cuts_what_does_not_end(serve: Serve) -> None:
    ended = asyncio.Event()
    begun = asyncio.Event()

    async def stuck(request: Request) -> Response:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError("unreachable")

    running = await serve(stuck)
    raw = await running.connect()
    await raw.send(GET % b"")
    await begun.wait()
    await running.server.close(grace=0.05)
    assert ended.is_set() and running.server.connections == 0
    await raw.close()


async def test_a_unix_socket_is_for_its_owner_only_and_a_stale_one_is_replaced(
    folder: Path,
) -> None:
    path = folder / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))  # bound and never listened on, as after a kill
    server = Server(echo)
    await server.listen_unix(path, "unix")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    await server.close()
    assert not path.exists()


async def test_a_socket_on_which_somebody_listens_is_not_taken(folder: Path) -> None:
    path = folder / "s"
    server, other = Server(echo), Server(echo)
    await server.listen_unix(path, "unix")
    with pytest.raises(PortTaken):
        await other.listen_unix(path, "unix")
    port = await server.listen_tcp("127.0.0.1", 0, "tcp")
    with pytest.raises(PortTaken):
        await other.listen_tcp("127.0.0.1", port, "tcp")
    await other.close()
    assert path.exists()
    await server.close()


async def test_a_successors_socket_file_is_left_alone(folder: Path) -> None:
    path = folder / "s"
    server = Server(echo)
    await server.listen_unix(path, "unix")
    os.unlink(path)
    path.touch()
    await server.close()
    assert path.exists()


@pytest.mark.parametrize("place", ["x" * 120, "no/such/folder", "file"])
async def test_a_socket_path_that_cannot_be_used_is_said(folder: Path, place: str) -> None:
    (folder / "file").write_text("precious")
    server = Server(echo)
    with pytest.raises(BadInput):
        await server.listen_unix(folder / place, "unix")
    assert (folder / "file").read_text() == "precious"
    await server.close()


@pytest.mark.parametrize(("host", "port"), [("not an address", 0), ("203.0.113.1", 0)])
async def test_a_host_that_is_not_this_machine_is_said(host: str, port: int) -> None:
    server = Server(echo)
    with pytest.raises(BadInput):
        await server.listen_tcp(host, port, "tcp")
    await server.close()


async def test_a_listening_socket_can_be_given(client: Client) -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    server = Server(describe)
    await server.listen(sock, "given")
    port = sock.getsockname()[1]
    answer = await client.call("GET", Address.parse(f"http://127.0.0.1:{port}"), "/")
    assert answer["listener"] == "given"
    await server.close()


def test_an_error_response_carries_the_errors_status() -> None:
    response = error_response(NotFound("nothing"))
    assert response.status == 404
    assert Headers(response.headers).get("Content-Type") == "application/json"
