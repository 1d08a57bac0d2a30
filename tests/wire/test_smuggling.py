"""Messages that two programs could read in two ways are refused, as are headers that break out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sutazai.fleet.errors import BadInput, BadPeer
from sutazai.wire import Address, Client, Request, Response
from tests.wire.conftest import Serve
from tests.wire.handlers import echo
from tests.wire.peers import ScriptedServer

HOST = b"Host: h\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
POST = b"POST / HTTP/1.1\r\n" + HOST
NOWHERE = Address.parse("http://127.0.0.1:9")

# Each is followed by a second request, which must not be answered.
REFUSED: dict[str, bytes] = {
    "length and coding": POST + b"Content-Length: 5\r\n" + CHUNKED,
    "coding and length": POST + CHUNKED + b"Content-Length: 5\r\n",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n",
    "one length twice": POST + b"Content-Length: 5\r\n" * 2,
    "a list of lengths": POST + b"Content-Length: 5, 5\r\n",
    "a signed length": POST + b"Content-Length: +5\r\n",
    "a negative length": POST + b"Content-Length: -5\r\n",
    "a hexadecimal length": POST + b"Content-Length: 0x5\r\n",
    "a length with a separator": POST + b"Content-Length: 1_0\r\n",
    "a length with a space": POST + b"Content-Length: 5 0\r\n",
    "an empty length": POST + b"Content-Length:\r\n",
    "a length beyond 64 bits": POST + b"Content-Length: 18446744073709551621\r\n",
    "a length of foreign digits": POST + b"Content-Length: \xb2\r\n",
    "a coding of another name": POST + b"Transfer-Encoding: xchunked\r\n",
    "a coding that is not last": POST + b"Transfer-Encoding: chunked, gzip\r\n",
    "another coding first": POST + b"Transfer-Encoding: gzip, chunked\r\n",
    "only another coding": POST + b"Transfer-Encoding: identity\r\n",
    "a coding twice": POST + CHUNKED * 2,
    "a coding twice in one line": POST + b"Transfer-Encoding: chunked, chunked\r\n",
    "an empty coding": POST + b"Transfer-Encoding:\r\n",
    "an empty coding first": POST + b"Transfer-Encoding: ,chunked\r\n",
    "a quoted coding": POST + b'Transfer-Encoding: "chunked"\r\n',
    "a coding with a vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n",
    "a coding from an old client": b"POST / HTTP/1.0\r\n" + HOST + CHUNKED,
    "a space before the colon": POST + b"Content-Length : 5\r\n",
    "a tab before the colon": POST + b"Transfer-Encoding\t: chunked\r\n",
    "a folded line": POST + b"X: a\r\n Content-Length: 5\r\n",
    "a folded coding": POST + b"Transfer-Encoding:\r\n chunked\r\n",
    "a folded first header": b"POST / HTTP/1.1\r\n Content-Length: 5\r\n" + HOST,
    "a line feed alone after a header": POST + b"X: a\nContent-Length: 5\r\n",
    "a line feed alone after the first line": b"POST / HTTP/1.1\n" + HOST,
    "a carriage return alone": POST + b"X: a\rContent-Length: 5\r\n",
    "a NUL in a value": POST + b"X: a\0b\r\n",
    "a NUL in a name": POST + b"X\0: a\r\n",
    "a control character in a value": POST + b"X: \x1b[2J\r\n",
    "an empty name": POST + b": a\r\n",
    "a header without a colon": POST + b"Content-Length 5\r\n",
    "a name of other characters": POST + b"Content(Length): 5\r\n",
    "no host": b"POST / HTTP/1.1\r\nContent-Length: 5\r\n",
    "two hosts": POST + HOST,
    "a host beside the target's": b"GET http://other/ HTTP/1.1\r\n" + HOST,
    "two spaces in the first line": b"POST  / HTTP/1.1\r\n" + HOST,
    "a space at its end": b"POST / HTTP/1.1 \r\n" + HOST,
    "a tab in the first line": b"POST\t/ HTTP/1.1\r\n" + HOST,
    "a space in the target": b"POST /a b HTTP/1.1\r\n" + HOST,
    "a fragment in the target": b"GET /a#b HTTP/1.1\r\n" + HOST,
    "a target that is no path": b"GET a HTTP/1.1\r\n" + HOST,
    "a star where it means nothing": b"GET * HTTP/1.1\r\n" + HOST,
    "eight bits in the target": b"GET /\xe9 HTTP/1.1\r\n" + HOST,
    "a method in small letters": b"get / HTTP/1.1\r\n" + HOST,
    "an unknown method": b"SMUGGLE / HTTP/1.1\r\n" + HOST,
    "a proxy's method": b"CONNECT h:80 HTTP/1.1\r\n" + HOST,
    "HTTP/0.9": b"GET /\r\n" + HOST,
    "HTTP/1.2": b"GET / HTTP/1.2\r\n" + HOST,
    "HTTP/2.0": b"GET / HTTP/2.0\r\n" + HOST,
    "the start of HTTP/2": b"PRI * HTTP/2.0\r\n",
    "HTTP in small letters": b"GET / http/1.1\r\n" + HOST,
    "a version of more digits": b"GET / HTTP/1.10\r\n" + HOST,
    "RTSP": b"GET / RTSP/1.0\r\n" + HOST,
    "ICE": b"SOURCE / ICE/1.0\r\n" + HOST,
    "a TLS greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "an unknown expectation": POST + b"Expect: miracles\r\n",
}  # fmt: skip

BAD_CHUNKS: dict[str, bytes] = {
    "no size": b"\r\nhello\r\n0\r\n\r\n",
    "a size of other digits": b"5g\r\nhello\r\n0\r\n\r\n",
    "a prefixed size": b"0x5\r\nhello\r\n0\r\n\r\n",
    "a signed size": b"+5\r\nhello\r\n0\r\n\r\n",
    "a negative size": b"-5\r\nhello\r\n0\r\n\r\n",
    "a size with a separator": b"0_5\r\nhello\r\n0\r\n\r\n",
    "a space before the size": b" 5\r\nhello\r\n0\r\n\r\n",
    "a space after the size": b"5 \r\nhello\r\n0\r\n\r\n",
    "a size beyond 64 bits": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "a size of foreign digits": b"\xb25\r\nhello\r\n0\r\n\r\n",
    "a line feed alone after the size": b"5\nhello\r\n0\r\n\r\n",
    "a carriage return alone in an extension": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "a line feed alone in an extension": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "a NUL in an extension": b"5;\0\r\nhello\r\n0\r\n\r\n",
    "an extension without end": b"5;" + b"a" * 2000 + b"\r\nhello\r\n0\r\n\r\n",
    "data beyond the size": b"5\r\nhelloX\r\n0\r\n\r\n",
    "no line end after the data": b"5\r\nhello0\r\n\r\n",
    "a line feed alone after the data": b"5\r\nhello\n0\r\n\r\n",
    "a folded trailer": b"0\r\nX: a\r\n b\r\n\r\n",
    "a trailer without a colon": b"0\r\nX\r\n\r\n",
    "a line feed alone in the trailers": b"0\r\nX: a\nY: b\r\n\r\n",
    "trailers without end": b"0\r\n" + b"X: a\r\n" * 5000 + b"\r\n",
}

NEXT = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.mark.parametrize("case", REFUSED)
async def test_a_doubtful_request_is_refused_and_nothing_behind_it_is_heard(
    serve: Serve, case: str
) -> None:
    running = await serve(echo)
    answer = await running.exchange(REFUSED[case] + b"\r\n" + b"0\r\n\r\n" + NEXT)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer[:13] in {b"HTTP/1.1 %d " % status for status in (400, 417, 501, 505)}
    assert b"connection: close" in answer
    assert b"smuggled" not in answer


@pytest.mark.parametrize("case", BAD_CHUNKS)
async def test_a_doubtful_chunk_is_refused_and_nothing_behind_it_is_heard(
    serve: Serve, case: str
) -> None:
    running = await serve(echo)
    head = POST + CHUNKED + b"\r\n"
    answer = await running.exchange(head + BAD_CHUNKS[case] + NEXT)
    assert answer.startswith(b"HTTP/1.1 400 ") and answer.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in answer


async def test_what_follows_a_body_of_declared_length_is_a_request_of_its_own(
    serve: Serve,
) -> None:
    raw = await (await serve(echo)).connect()
    await raw.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello" + NEXT)
    assert await raw.response() == (200, b"hello")
    assert b"x-target: /smuggled" in await raw.head()
    await raw.close()


async def test_a_wish_for_another_protocol_is_passed_over(serve: Serve) -> None:
    raw = await (await serve(echo)).connect()
    await raw.send(
        b"POST / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"Content-Length: 5\r\n\r\nhello" + NEXT
    )
    assert await raw.response() == (200, b"hello")
    assert b"x-target: /smuggled" in await raw.head()
    await raw.close()


@pytest.mark.parametrize("target", ["http://h/a?b", "http://h?b", "http://h", "HTTPS://h/"])
async def test_a_target_may_name_the_host_again(serve: Serve, target: str) -> None:
    async def tell(request: Request) -> Response:
        return Response(200, [("Connection", "close")], request.target.encode())

    running = await serve(tell)
    answer = await running.exchange(b"GET %b HTTP/1.1\r\n%b\r\n" % (target.encode(), HOST))
    expected = {"http://h/a?b": b"/a?b", "http://h?b": b"/?b"}.get(target, b"/")
    assert answer.endswith(b"\r\n\r\n" + expected)


# the same strictness for answers

OK = b"HTTP/1.1 200 OK\r\n"
BAD_ANSWERS: dict[str, bytes] = {
    "length and coding": OK + b"Content-Length: 5\r\n" + CHUNKED + b"\r\nhello",
    "coding and length": OK + CHUNKED + b"Content-Length: 5\r\n\r\nhello",
    "two lengths": OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "a list of lengths": OK + b"Content-Length: 5,5\r\n\r\nhello",
    "a signed length": OK + b"Content-Length: +5\r\n\r\nhello",
    "an unknown coding": OK + b"Transfer-Encoding: gzip\r\n\r\nhello",
    "another coding first": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a coding from an old server": b"HTTP/1.0 200 OK\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "a folded line": OK + b"X: a\r\n b\r\n\r\n",
    "a line feed alone": OK + b"X: a\nContent-Length: 0\r\n\r\n",
    "a carriage return alone": OK + b"X: a\rb\r\nContent-Length: 0\r\n\r\n",
    "a space before the colon": OK + b"Content-Length : 0\r\n\r\n",
    "a NUL in a value": OK + b"X: \0\r\n\r\n",
    "a NUL in the status line": b"HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n",
    "no status": b"HTTP/1.1\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "a status of nothing": b"HTTP/1.1 000 OK\r\n\r\n",
    "a status beyond 599": b"HTTP/1.1 600 OK\r\n\r\n",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\n\r\n",
    "another protocol": b"RTSP/1.0 200 OK\r\n\r\n",
    "an empty line first": b"\r\n" + OK + b"Content-Length: 0\r\n\r\n",
    "garbage": b"220 mail.example.com ESMTP\r\n\r\n",
    "an upgrade nobody asked for": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n",
    "interim answers without end": b"HTTP/1.1 100 Continue\r\n\r\n" * 20,
    "a head without end": OK + b"X: " + b"x" * 100_000,
    **{f"chunked, {name}": OK + CHUNKED + b"\r\n" + chunks for name, chunks in BAD_CHUNKS.items()},
}


@pytest.mark.parametrize("case", BAD_ANSWERS)
async def test_a_doubtful_answer_is_an_error_and_its_connection_is_not_used_again(
    client: Client, scripted: Callable[..., ScriptedServer], case: str
) -> None:
    server = scripted(BAD_ANSWERS[case], OK + b"Content-Length: 0\r\n\r\n")
    with pytest.raises(BadPeer):
        await (await client.request("GET", server.address, "/")).read()
    assert (await client.request("GET", server.address, "/")).status == 200
    assert server.connections == 2


# our own side

BREAKING = ["a\r\nX: b", "a\nb", "a\rb", "a\0b", "a\x7fb", "\u0141", "\U0001f600"]


@pytest.mark.parametrize("value", BREAKING)
async def test_a_request_cannot_be_broken_out_of(client: Client, value: str) -> None:
    with pytest.raises(BadInput) as caught:
        await client.request("GET", NOWHERE, "/", headers=[("Authorization", value)])
    assert value not in str(caught.value)  # it may be a secret
    for method, target, name in (
        ("GET", "/" + value, "x"), ("GET" + value, "/", "x"), ("GET", "/", value),
    ):  # fmt: skip
        with pytest.raises(BadInput):
            await client.request(method, NOWHERE, target, headers=[(name, "x")])


@pytest.mark.parametrize("target", ["", "a", "/a b", "/a#b", "http://h/", "/a HTTP/1.1", "?a"])
async def test_a_target_must_be_a_path(client: Client, target: str) -> None:
    with pytest.raises(BadInput):
        await client.request("GET", NOWHERE, target)


@pytest.mark.parametrize(
    "headers",
    [
        [("Transfer-Encoding", "chunked")],
        [("Content-Length", "6")],
        [("Content-Length", "5"), ("Content-Length", "5")],
        [("Content-Length", "5, 5")],
        [("X:", "a")],
        [("X ", "a")],
    ],
)
async def test_a_caller_cannot_frame_a_request_wrongly(
    client: Client, headers: list[tuple[str, str]]
) -> None:
    with pytest.raises(BadInput):
        await client.request("POST", NOWHERE, "/", headers=headers, body=b"hello")
