"""Lines and server-sent events out of streams that are cut anywhere."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.fleet.errors import BadInput, BadPeer
from sutazai.wire import LineSplitter, SseDecoder, SseEvent, sse_event
from sutazai.wire.sse import EVENT_MAX


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """``data`` in pieces that begin at ``places``, taken modulo its size."""
    marks = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(marks)]


places = st.lists(st.integers(0, 1000), max_size=8)


def test_lines_come_without_their_ends_and_the_rest_waits() -> None:
    splitter = LineSplitter(100)
    assert splitter.feed(b"a\r\nb\n\nc") == [b"a", b"b", b""]
    assert splitter.rest() == b"c"
    assert splitter.feed(b"d\n") == [b"cd"]
    assert splitter.rest() == b""


@given(st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\r\n", b"\r"])).map(b"".join), places)
def test_where_a_stream_is_cut_does_not_change_its_lines(data: bytes, places: list[int]) -> None:
    whole, parts = LineSplitter(1000), LineSplitter(1000)
    expected = whole.feed(data)
    assert [line for piece in cut(data, places) for line in parts.feed(piece)] == expected
    assert parts.rest() == whole.rest()


@pytest.mark.parametrize("pieces", [[b"x" * 12], [b"x" * 6] * 2, [b"x" * 11 + b"\n"]])
def test_a_line_above_the_limit_is_refused_before_it_ends(pieces: list[bytes]) -> None:
    splitter = LineSplitter(10)
    for piece in pieces[:-1]:
        assert splitter.feed(piece) == []
    with pytest.raises(BadPeer):
        splitter.feed(pieces[-1])


def test_a_line_of_exactly_the_limit_passes() -> None:
    assert LineSplitter(10).feed(b"x" * 10 + b"\r\n") == [b"x" * 10]


def test_an_event_is_read_as_it_was_written() -> None:
    sent = sse_event("one\ntwo", "progress", "7")
    assert sent == b"event: progress\nid: 7\ndata: one\ndata: two\n\n"
    assert SseDecoder().feed(sent) == [SseEvent("progress", "one\ntwo", "7")]
    assert SseDecoder().feed(sse_event("")) == [SseEvent("message", "")]


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "a\0b"])
def test_an_event_cannot_be_broken_out_of(name: str) -> None:
    with pytest.raises(BadInput):
        sse_event("x", name)
    with pytest.raises(BadInput):
        sse_event("x", id=name)
    assert SseDecoder().feed(sse_event(name.replace("\0", ""))) != []


def test_comments_marks_and_fields_of_no_meaning_are_left_out() -> None:
    stream = b"\xef\xbb\xbf: hello\nretry: 5\ndata:x\nid: 1\n\n\n\ndata: y\nevent: e\n\ndata: lost"
    assert SseDecoder().feed(stream) == [SseEvent("message", "x", "1"), SseEvent("e", "y", "1")]


tokens = st.sampled_from(
    [
        b"data: a",
        b"data",
        b"event: e",
        b"id: 1",
        b": c",
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b"\xc3\xa9",
    ]
)


@given(st.lists(tokens, max_size=20).map(b"".join), places)
def test_where_a_stream_is_cut_does_not_change_its_events(data: bytes, places: list[int]) -> None:
    expected = SseDecoder().feed(data)
    decoder = SseDecoder()
    assert [event for piece in cut(data, places) for event in decoder.feed(piece)] == expected


@given(st.text(), st.sampled_from([None, "token"]))
def test_any_text_travels_in_an_event(text: str, name: str | None) -> None:
    normal = text.encode("utf-8", "replace").decode().replace("\r\n", "\n").replace("\r", "\n")
    (event,) = SseDecoder().feed(sse_event(normal, name))
    assert event == SseEvent(name or "message", normal)


@pytest.mark.parametrize("piece", [b"x" * 65536, b"data: " + b"x" * 65529 + b"\n"])
def test_an_event_without_end_is_refused(piece: bytes) -> None:
    decoder = SseDecoder()
    for _ in range(EVENT_MAX // len(piece)):
        assert decoder.feed(piece) == []
    with pytest.raises(BadPeer):
        decoder.feed(piece)
