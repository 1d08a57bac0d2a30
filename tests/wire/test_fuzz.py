"""Strangers' bytes: whatever comes, and however it is cut, there is an answer or an end.

Never a crash, never a hang, and never two readings of the same bytes. A short run belongs to the
suite, a long one to `make soak`.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httptools
import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sutazai.fleet.errors import BadPeer, PeerClosed
from sutazai.wire import (
    Address,
    Client,
    ClientLimits,
    ClientResponse,
    Request,
    Response,
    Server,
    ServerLimits,
)
from sutazai.wire.framing import BadFrame, ChunkedFrame
from sutazai.wire.heads import (
    BadHead,
    HeadReader,
    RequestHead,
    ResponseHead,
    parse_request,
    parse_response,
)
from tests.wire.peers import DEADLINE, Raw, Running
from tests.wire.strange import ANSWERS, CHUNKS, HELLO, PLACES, STREAMS, cut, damaged, similar

LIMITS = ServerLimits(header=2048, body=4096, body_timeout=1.0, header_timeout=1.0)
LAST = b"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
FIVE = b"Content-Length: 5\r\n\r\nhello"  # the end of an answer that can be told
HEAD_MAX = 4096

SHORT, LONG = 80, 5_000
"""Examples of each property in the suite and in `make soak`."""


def fuzz(strategy: st.SearchStrategy[Any], check: Callable[[Any], None], examples: int) -> None:
    limits = settings(
        max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    limits(given(strategy)(check))()


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


class Delivered:
    """Gathers a delivered answer."""

    def __init__(self) -> None:
        self.data = b""
        self.end: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def received(self, data: bytes) -> None:
        self.data += data

    def ended(self, last: bytes) -> None:
        self.end.set_result(self.data + last)

    def failed(self, error: Exception) -> None:
        self.end.set_exception(error)


async def read(response: ClientResponse) -> bytes:
    return await response.read()


async def deliver(response: ClientResponse) -> bytes:
    receiver = Delivered()
    response.deliver(receiver)
    return await receiver.end


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

    def understood(
        self, pieces: list[bytes], how: Callable[[ClientResponse], Any] = read, times: int = 1
    ) -> list[object]:
        """What our client makes of answers of ``pieces``, so many on connections that it keeps."""
        self._answer = pieces
        return self._runner.run(asyncio.wait_for(self._ask(how, times), DEADLINE))

    async def _ask(self, how: Callable[[ClientResponse], Any], times: int) -> list[object]:
        address, found = Address.parse(f"unix:{self._path}/a"), list[object]()
        async with Client(ClientLimits(header=500)) as client:
            for _ in range(times):
                try:
                    response = await client.request("GET", address, "/")
                    data = await how(response)
                    found.append((response.status, list(response.headers), data))
                except (BadPeer, PeerClosed) as error:
                    found.append(type(error))
        return found

    async def _be_strange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw = Raw(reader, writer)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                for piece in self._answer:
                    writer.write(piece)
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
                if not b"".join(self._answer).endswith(FIVE):
                    break  # nobody could tell where the answer ends
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
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


# over sockets


def any_bytes_leave_the_server_serving(bench: Bench, data: bytes) -> None:
    assert re.fullmatch(rb"(HTTP/1\.1 4.*)?", bench.outcome([data]), re.DOTALL)
    assert bench.still_serves()


def where_a_stream_is_cut_does_not_matter(bench: Bench, case: tuple[bytes, list[int]]) -> None:
    data, places = case
    whole = bench.outcome([data + LAST])
    assert whole != b"reset"
    assert bench.outcome(cut(data + LAST, places)) == whole


def any_answer_is_understood_or_refused(bench: Bench, data: bytes) -> None:
    bench.understood([data])


def where_an_answer_is_cut_does_not_matter(bench: Bench, case: tuple[bytes, list[int]]) -> None:
    data, places = case
    whole = bench.understood([data])
    assert bench.understood(cut(data, places)) == whole
    assert bench.understood(cut(data, places), deliver) == whole


def an_answer_means_the_same_every_time(bench: Bench, data: bytes) -> None:
    once, *again = bench.understood([data + FIVE], times=4)
    assert again == [once] * 3


OF_ANSWERS = st.one_of(ANSWERS, ANSWERS.map(lambda data: OK + data))
OVER_SOCKETS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Bench, Any], None]]] = {
    "any request": (st.binary(max_size=3000), any_bytes_leave_the_server_serving),
    "cut requests": (
        st.tuples(st.one_of(STREAMS, damaged()), PLACES),
        where_a_stream_is_cut_does_not_matter,
    ),
    "any answer": (
        st.one_of(st.binary(max_size=3000), st.binary(max_size=3000).map(lambda data: OK + data)),
        any_answer_is_understood_or_refused,
    ),
    "cut answers": (st.tuples(OF_ANSWERS, PLACES), where_an_answer_is_cut_does_not_matter),
    "repeated answers": (
        st.lists(st.sampled_from([b"X: y\r\n", b"x-length: 7\r\n", b"Connection: close\r\n"]))
        .map(lambda fields: OK + b"".join(fields)),
        an_answer_means_the_same_every_time,
    ),
}  # fmt: skip
KNOWN: list[tuple[Callable[[Bench, Any], None], Any]] = [
    (any_bytes_leave_the_server_serving, b"\x16\x03\x01"),
    (any_bytes_leave_the_server_serving, b"\r\n" * 1000),
    (where_a_stream_is_cut_does_not_matter, (HELLO * 3, [50, 51, 52])),
    (
        where_a_stream_is_cut_does_not_matter,
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 3000, [2049, 2050, 2051, 2052]),
    ),
    (where_an_answer_is_cut_does_not_matter, (OK + b"X: " + b"x" * 600, [501, 502, 503, 504, 505])),
    (where_an_answer_is_cut_does_not_matter, (OK + b"\r\nhello", [])),
]


def test_cases_that_were_trouble_once(bench: Bench) -> None:
    for check, case in KNOWN:
        check(bench, case)


@pytest.mark.parametrize("name", OVER_SOCKETS)
def test_whatever_comes_is_answered_or_refused(bench: Bench, name: str) -> None:
    strategy, check = OVER_SOCKETS[name]
    fuzz(strategy, lambda case: check(bench, case), SHORT)


@pytest.mark.soak
@pytest.mark.parametrize("name", OVER_SOCKETS)
def test_whatever_comes_is_answered_or_refused_for_long(bench: Bench, name: str) -> None:
    strategy, check = OVER_SOCKETS[name]
    fuzz(strategy, lambda case: check(bench, case), LONG)


# the parts, without sockets and against the parser that others use


class Reference:
    """What httptools makes of a message."""

    def __init__(self) -> None:
        self.body = b""
        self.whole = 0
        self.headers: list[tuple[str, str]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode("latin-1"), value.strip(b" \t").decode("latin-1")))

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.whole += 1


def by_reference(data: bytes, *, answer: bool = False) -> Reference | None:
    """None where httptools refuses it."""
    reference = Reference()
    kind = httptools.HttpResponseParser if answer else httptools.HttpRequestParser
    try:
        kind(reference).feed_data(data)
    except httptools.HttpParserUpgrade:
        pass  # a wish that is not granted
    except httptools.HttpParserError:
        return None
    return reference


def chunks_are_read_as_others_read_them(case: tuple[bytes, list[int]]) -> None:
    chunks, places = case
    frame, pieces, rest = ChunkedFrame(), list[bytes](), None
    try:
        for piece in cut(chunks, places):
            single = frame.single(piece) if rest is None else None
            if single is not None:
                pieces.append(single)
            else:
                rest = frame.feed(piece, pieces.append) if rest is None else rest + piece
    except BadFrame:
        return
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    reference = by_reference(head + (chunks if not rest else chunks[: -len(rest)]))
    # What is refused by one of them only is so before the end of the body.
    whole = reference is not None and reference.whole == 1
    assert whole == (rest is not None)
    assert reference is None or not whole or b"".join(pieces) == reference.body


def what_is_let_in_others_let_in_too(data: bytes) -> None:
    head = data[: data.find(b"\r\n\r\n") + 4]
    for parse, answer in ((parse_request, False), (parse_response, True)):
        found = meaning(parse, head)
        if found is None:
            continue
        for name, value in found.headers:
            assert not re.search(r"[\0\r\n: ]", name)
            assert not re.search(r"[\0\r\n]|^[ \t]|[ \t]$", value)
        reference = by_reference(head, answer=answer)
        assert reference is not None and reference.headers == list(found.headers)


def meaning(
    parse: Callable[[bytes], RequestHead] | Callable[[bytes], ResponseHead], head: bytes
) -> RequestHead | ResponseHead | None:
    """None where it is refused."""
    try:
        return parse(head)
    except BadHead:
        return None


def begun(reader: HeadReader[Any], data: bytes) -> RequestHead | ResponseHead | None:
    """The head that ``data`` begins with; None where it is refused, or not all there."""
    try:
        found = reader.read(data)
    except BadHead:
        return None
    if found is None:
        return None
    assert data.find(b"\r\n\r\n") == found[1] - 4
    head: RequestHead | ResponseHead = found[0]
    return head


def a_head_means_the_same_after_any_other(heads: list[bytes]) -> None:
    ways: tuple[tuple[HeadReader[Any], Callable[[bytes], Any]], ...] = (
        (HeadReader(parse_request, HEAD_MAX), parse_request),
        (HeadReader(parse_response, HEAD_MAX), parse_response),
    )
    for reader, parse in ways:
        for data in heads:
            found = begun(reader, data)
            assert found == meaning(parse, data[: data.find(b"\r\n\r\n") + 4])
            if found is not None:
                assert found.headers.get("content-length") == {
                    name.lower(): value for name, value in found.headers
                }.get("content-length")


PARTS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], None]]] = {
    "chunks": (
        st.tuples(
            st.one_of(
                CHUNKS, st.lists(st.sampled_from(list(b"05aA\r\n; x:\0")), max_size=12).map(bytes)
            ),
            PLACES,
        ),
        chunks_are_read_as_others_read_them,
    ),
    "heads": (st.one_of(STREAMS, damaged(), OF_ANSWERS), what_is_let_in_others_let_in_too),
    "repeated heads": (similar(), a_head_means_the_same_after_any_other),
}


@pytest.mark.parametrize("name", PARTS)
def test_every_reading_is_the_only_one(name: str) -> None:
    fuzz(*PARTS[name], 4 * SHORT)


@pytest.mark.soak
@pytest.mark.parametrize("name", PARTS)
def test_every_reading_is_the_only_one_for_long(name: str) -> None:
    fuzz(*PARTS[name], 10 * LONG)
