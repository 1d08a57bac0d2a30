"""Whole chunks that follow each other quickly leave together, and nothing else waits for them."""

from __future__ import annotations

import asyncio

import pytest

from sutazai.wire import Gathering, Sink
from sutazai.wire.gathering import GATHER
from sutazai.wire.pushing import KEPT_MAX
from sutazai.wire.writer import LAST_CHUNK

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Wire(asyncio.Transport):
    """Notes what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))


def chunk(text: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(text), text)


@pytest.fixture
async def wire() -> Wire:
    return Wire()


@pytest.fixture
async def sink(wire: Wire) -> Sink:
    sink = Sink(wire, asyncio.get_running_loop(), HEAD, Gathering(), chunked=True, length=None)
    sink.send_head()
    wire.written.clear()
    return sink


def passed_on(sink: Sink, *texts: bytes) -> None:
    """Has the sink pass whole chunks on."""
    pass_on = sink.splice
    assert pass_on is not None
    for text in texts:
        pass_on(chunk(text))


async def some_time() -> None:
    """Until what was kept before must have been sent."""
    await asyncio.sleep(GATHER * 2)


async def test_the_first_leaves_at_once_and_those_behind_it_together(
    wire: Wire, sink: Sink
) -> None:
    passed_on(sink, b"a", b"b", b"c")
    assert wire.written == [chunk(b"a")]
    await some_time()
    assert wire.written == [chunk(b"a"), chunk(b"b") + chunk(b"c")]


async def test_one_that_comes_later_waits_for_nobody(wire: Wire, sink: Sink) -> None:
    for text in (b"a", b"b"):
        passed_on(sink, text)
        assert wire.written[-1] == chunk(text)
        await some_time()
    assert len(wire.written) == 2


async def test_the_end_leaves_with_them(wire: Wire, sink: Sink) -> None:
    passed_on(sink, b"a", b"b")
    sink.close(b"c")
    assert wire.written == [chunk(b"a"), chunk(b"b") + chunk(b"c") + LAST_CHUNK]
    await some_time()
    assert len(wire.written) == 2


async def test_what_is_written_leaves_behind_them(wire: Wire, sink: Sink) -> None:
    passed_on(sink, b"a", b"b")
    sink.write(b"c")
    assert b"".join(wire.written) == chunk(b"a") + chunk(b"b") + chunk(b"c")


async def test_a_failure_loses_none_of_them(wire: Wire, sink: Sink) -> None:
    passed_on(sink, b"a", b"b")
    sink.fail(ConnectionError("the backend is gone"))
    assert wire.written == [chunk(b"a"), chunk(b"b")]


async def test_to_a_client_that_is_gone_nothing_is_sent(wire: Wire, sink: Sink) -> None:
    passed_on(sink, b"a", b"b")
    sink.lose()
    await some_time()
    assert wire.written == [chunk(b"a")]


async def test_a_flood_is_not_kept(wire: Wire, sink: Sink) -> None:
    passed_on(sink, *[b"a"] * (3 * KEPT_MAX))
    assert [data.count(b"a") for data in wire.written] == [1, KEPT_MAX, KEPT_MAX]
    await some_time()
    assert sum(data.count(b"a") for data in wire.written) == 3 * KEPT_MAX


async def test_all_sinks_send_at_the_same_time() -> None:
    loop, gathering = asyncio.get_running_loop(), Gathering()
    wires = [Wire() for _ in range(10)]
    sinks = [Sink(wire, loop, b"", gathering, chunked=True, length=None) for wire in wires]
    for sink in sinks:
        passed_on(sink, b"a", b"b")
    await some_time()
    for wire in wires:
        assert wire.written == [chunk(b"a"), chunk(b"b")]
