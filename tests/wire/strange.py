"""Bytes that strangers might send: requests and answers, right, nearly right and wrong."""

from __future__ import annotations

import itertools

from hypothesis import strategies as st

HELLO = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """``data`` in pieces that end at ``places``."""
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


# heads of one connection, of which most differ in their lengths only

HEADS = st.tuples(
    st.sampled_from(
        [b"POST / HTTP/1.1\r\nHost: h\r\n", b"HTTP/1.1 200 OK\r\n", b"GET / HTTP/1.0\r\n"]
    ),
    st.lists(FIELDS, max_size=2).map(b"".join),
    st.sampled_from(
        [b"Content-Length: ", b"content-length: ", b"Content-Length:", b"X-Length: ", b"Length: ",
         b""]
    ),
    st.sampled_from([b"0", b"5", b"05", b"17", b"5 ", b"5,5", b"+5", b"\xb2", b"", b"9" * 19]),
    st.lists(FIELDS, max_size=2).map(b"".join),
).map(lambda parts: b"%b%b%b%b\r\n%b\r\n" % parts)  # fmt: skip


@st.composite
def similar(draw: st.DrawFn) -> list[bytes]:
    """Heads one after the other: often the same, often but for a few bytes."""
    heads = [draw(HEADS)]
    for _ in range(draw(st.integers(1, 5))):
        head = bytearray(draw(st.sampled_from(heads)))
        for _ in range(draw(st.integers(0, 2))):
            place = draw(st.integers(0, len(head) - 1))
            new = draw(st.sampled_from([b"", b"0", b"7", b"12", b" ", b"\r\n", b":", b"a"]))
            head[place : place + draw(st.integers(0, 2))] = new
        heads.append(bytes(head))
    return heads
