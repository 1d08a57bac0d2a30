"""Strangers' bytes: whatever comes, and however it is cut, the server answers and goes on."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import httptools
import pytest
import uvloop
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sutazai.fleet.errors import BadPeer, PeerClosed
from sutazai.wire import Address, Client, ClientLimits, Request, Response, Server, ServerLimits
from sutazai.wire.framing import BadFrame, ChunkedFrame
from sutazai.wire.heads import BadHead, parse_request, parse_response
from tests.wire.peers import DEADLINE, Raw, Running

LIMITS = ServerLimits(header=2048, body=4096, body_timeout=1.0, header_timeout=1.0)
Fuzzed = TypeVar("Fuzzed", bound=Callable[..., None])
HELLO = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
LAST = b"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


async def tell(request: Request) -> Response:
    """What the server understood, so that two readings of the same bytes can be compared."""
    body = await request.read()
    said = f"{request.method} {request.target} {list(request.headers)} {body!r}"
    return Response(200, [], said.encode())


async def outcome(running: Running, pieces: list[bytes]) -> bytes:
    """All that comes back until the connection ends, without what depends on time.

    That is dates, and the leave to send a body, which is not given where the body is here already.
    """
    raw = await running.connect(unix=True)
    try:
        for piece in pieces:
            raw.writer.write(piece)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        if not raw.writer.is_closing():
            raw.half_close()
        timely = rb"date: [^\r]*\r\n|HTTP/1\.1 100 Continue\r\n\r\n"
        return re.sub(timely, b"", await raw.rest())
    except (BrokenPipeError, ConnectionResetError):
        return b"reset"
    finally:
        await raw.close()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(marks)]


NAMES = [
    b"Host", b"Content-Length", b"Transfer-Encoding", b"Connection", b"Expect", b"X-A", b"Upgrade",
    b"content-length", b"", b"X A", b"Trailer",
]  # fmt: skip
VALUES = [
    b"h", b"0", b"5", b"5, 5", b"+5", b"05", b"99999999999999999999", b"chunked", b"Chunked ",
    b"gzip, chunked", b"close", b"keep-alive", b"upgrade", b"100-continue", b"", b"a\x00b",
    b"a\r\n b", b"\xe9", b"\x7f",
]  # fmt: skip
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\n\r\n"])
LINES = st.tuples(
    st.sampled_from([b"GET", b"POST", b"HEAD", b"get", b"CONNECT", b"PRI", b""]),
    st.sampled_from([b" ", b" ", b"  ", b"\t"]),
    st.sampled_from([b"/", b"/a?b=%20", b"*", b"http://h/a", b"a", b"", b"/\xff"]),
    st.sampled_from([b" HTTP/1.1", b" HTTP/1.1", b" HTTP/1.0", b" HTTP/2.0", b"", b" HTTP/1.1 "]),
).map(b"".join)
FIELDS = st.tuples(
    st.sampled_from(NAMES), st.sampled_from([b": ", b":", b" :"]), st.sampled_from(VALUES), ENDS
).map(b"".join)
CHUNKS = st.lists(
    st.sampled_from(
        [b"5\r\nhello\r\n", b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n", b"5;a=b\r\nhello\r\n", b"5\nhello",
         b"A\r\n0123456789\r\n", b"-1\r\n", b"f" * 17 + b"\r\n", b"\r\n", b"hello", b"5\r\nhel"]
    ),
    max_size=4,
).map(b"".join)  # fmt: skip
MESSAGES = st.tuples(LINES, ENDS, st.lists(FIELDS, max_size=5).map(b"".join), ENDS, CHUNKS).map(
    b"".join
)
VALID = st.sampled_from(
    [
        b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n",
        b"POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
        b"POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HEAD /d HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /e HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        b"POST /f HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000,
        b"POST /g HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
        b"\r\n",
    ]
)
STREAMS = st.lists(st.one_of(VALID, VALID, MESSAGES), max_size=4).map(b"".join)
PLACES = st.lists(st.integers(0, 20_000), max_size=6)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Valid requests in which a few bytes are changed, left out or put in."""
    data = bytearray(b"".join(draw(st.lists(VALID, min_size=1, max_size=3))))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, max(len(data) - 1, 0)))
        new = draw(st.sampled_from([b"", b"\r", b"\n", b"\0", b" ", b":", b"0", b"\xff", b"\r\n"]))
        data[place : place + draw(st.integers(0, 2))] = new
    return bytes(data)


ANSWERS = st.lists(
    st.sampled_from(
        [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 204 No\r\n", b"HTTP/1.0 200\r\n", b"HTTP/1.1 100 C\r\n",
         b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n",
         b"Connection: close\r\n", b"X: y\r\n", b"X : y\r\n", b" folded\r\n", b"\r\n", b"\r\n",
         b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"0\r\n\r\n", b"\n", b"\r", b"\0", b"5\r\nhel"]
    ),
    max_size=9,
).map(b"".join)  # fmt: skip


def fuzzed(examples: int) -> Callable[[Fuzzed], Fuzzed]:
    return settings(
        max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )


class Bench:
    """A server, and a client that meets a stranger, in a loop that lives for all the examples."""

    def __init__(self, kind: str) -> None:
        factory = uvloop.new_event_loop if kind == "uvloop" else asyncio.new_event_loop
        self._runner = asyncio.Runner(loop_factory=factory)
        self._folder = tempfile.TemporaryDirectory(prefix="wire")
        self._path = Path(self._folder.name)
        self._answer: list[bytes] = []
        self._runner.run(self._start())

    async def _start(self) -> None:
        self._server = Server(tell, LIMITS)
        await self._server.listen_unix(self._path / "s", "unix")
        self._running = Running(self._server, 0, self._path / "s")
        self._stranger = await asyncio.start_unix_server(self._be_strange, self._path / "a")

    def outcome(self, pieces: list[bytes]) -> bytes:
        """What our server answers to ``pieces``."""
        return self._runner.run(asyncio.wait_for(outcome(self._running, pieces), DEADLINE))

    def still_serves(self) -> bool:
        return b"GET /last" in self.outcome([LAST])

    def understood(self, pieces: list[bytes]) -> object:
        """What our client makes of an answer of ``pieces``."""
        self._answer = pieces
        return self._runner.run(asyncio.wait_for(self._ask(), DEADLINE))

    async def _ask(self) -> object:
        async with Client(ClientLimits(header=500)) as client:
            try:
                response = await client.request("GET", Address.parse(f"unix:{self._path}/a"), "/")
                return response.status, list(response.headers), await response.read()
            except (BadPeer, PeerClosed) as error:
                return type(error)

    async def _be_strange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw = Raw(reader, writer)
        try:
            await raw.head()
            for piece in self._answer:
                writer.write(piece)
                await asyncio.sleep(0)
                await asyncio.sleep(0)
        finally:
            await raw.close()

    def close(self) -> None:
        self._stranger.close()
        self._runner.run(self._server.close(grace=0))
        self._runner.close()
        self._folder.cleanup()


@pytest.fixture(params=["asyncio", "uvloop"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    bench = Bench(request.param)
    yield bench
    bench.close()


@fuzzed(60)
@given(data=st.binary(max_size=3000))
@example(data=b"\x16\x03\x01")
@example(data=b"\r\n" * 1000)
def test_any_bytes_leave_the_server_serving(bench: Bench, data: bytes) -> None:
    assert re.fullmatch(rb"(HTTP/1\.1 4.*)?", bench.outcome([data]), re.DOTALL)
    assert bench.still_serves()


@fuzzed(150)
@given(data=st.one_of(STREAMS, damaged()), places=PLACES)
@example(data=HELLO * 3, places=[50, 51, 52])
@example(data=b"GET / HTTP/1.1\r\nX: " + b"x" * 3000, places=[2049, 2050, 2051, 2052])
def test_where_a_stream_is_cut_never_changes_what_is_understood(
    bench: Bench, data: bytes, places: list[int]
) -> None:
    whole = bench.outcome([data + LAST])
    assert whole != b"reset"
    assert bench.outcome(cut(data + LAST, places)) == whole


@fuzzed(100)
@given(
    data=st.one_of(ANSWERS, ANSWERS.map(lambda data: b"HTTP/1.1 200 OK\r\n" + data)), places=PLACES
)
@example(data=b"HTTP/1.1 200 OK\r\nX: " + b"x" * 600, places=[501, 502, 503, 504, 505])
def test_where_an_answer_is_cut_never_changes_what_is_understood(
    bench: Bench, data: bytes, places: list[int]
) -> None:
    whole = bench.understood([data])
    assert bench.understood(cut(data, places)) == whole


# the parts, without sockets and against the parser that others use


class Reference:
    """What httptools alone makes of a message."""

    def __init__(self) -> None:
        self.body = b""
        self.whole = 0

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.whole += 1


def by_reference(chunks: bytes) -> tuple[bool, bytes]:
    reference = Reference()
    parser = httptools.HttpRequestParser(reference)
    try:
        parser.feed_data(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
    except httptools.HttpParserError:
        return False, b""
    return reference.whole == 1, reference.body


@fuzzed(300)
@given(
    chunks=st.one_of(
        CHUNKS, st.lists(st.sampled_from(list(b"05aA\r\n; x:\0")), max_size=12).map(bytes)
    ),
    places=PLACES,
)
def test_chunks_are_read_as_others_read_them_or_not_at_all(
    chunks: bytes, places: list[int]
) -> None:
    frame, pieces, rest = ChunkedFrame(), list[bytes](), None
    try:
        for piece in cut(chunks, places):
            rest = frame.feed(piece, pieces.append) if rest is None else rest + piece
    except BadFrame:
        return
    whole, body = by_reference(chunks if not rest else chunks[: -len(rest)])
    assert whole == (rest is not None)
    assert not whole or b"".join(pieces) == body


@fuzzed(300)
@given(head=st.one_of(STREAMS, damaged(), ANSWERS))
def test_any_head_is_parsed_or_refused(head: bytes) -> None:
    for parse in (parse_request, parse_response):
        with contextlib.suppress(BadHead):
            parsed = parse(head[: head.find(b"\r\n\r\n") + 4])
            for name, value in parsed.pairs:
                assert not re.search(r"[\0\r\n: ]", name)
                assert not re.search(r"[\0\r\n]", value)
