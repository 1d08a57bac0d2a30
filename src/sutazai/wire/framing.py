"""Where a body ends: by its length, by chunks, or with the connection.

Each frame is fed what arrives and hands the body's bytes on; `feed` gives None while the body goes
on, and at its end what came after it. No I/O.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

Sink = Callable[[bytes], None]

LINE_MAX = 1024
TRAILERS_MAX = 16 * 1024

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?")
_TRAILER = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*")


class BadFrame(Exception):
    """Chunks that break the grammar."""


class Frame(Protocol):
    """A rule for where a body ends."""

    def single(self, data: bytes) -> bytes | None:
        """The bytes in ``data`` where it is one usual piece of the body and nothing else.

        None where `feed` has to look closer; nothing has changed then.
        """

    def feed(self, data: bytes, sink: Sink) -> bytes | None:
        """None, or at the body's end the bytes after it. Raises BadFrame."""


class LengthFrame:
    """A body of a declared number of bytes, more than none."""

    __slots__ = ("left",)

    def __init__(self, length: int) -> None:
        self.left = length

    def single(self, data: bytes) -> bytes | None:
        if len(data) >= self.left:
            return None
        self.left -= len(data)
        return data

    def feed(self, data: bytes, sink: Sink) -> bytes | None:
        size = len(data)
        if size < self.left:
            self.left -= size
            sink(data)
            return None
        left, self.left = self.left, 0
        if size == left:
            sink(data)
            return b""
        sink(data[:left])
        return data[left:]


class CloseFrame:
    """A body that ends with the connection."""

    __slots__ = ()

    def single(self, data: bytes) -> bytes | None:
        return data

    def feed(self, data: bytes, sink: Sink) -> bytes | None:
        sink(data)
        return None


class ChunkedFrame:
    """A chunked body. Extensions and trailers are checked, bounded and dropped."""

    __slots__ = ("_left", "_rest", "_step", "_trailers")

    def __init__(self) -> None:
        self._left = 0  # bytes of the present chunk to come
        self._trailers = 0  # bytes of trailers so far
        self._rest = b""
        self._step: _Step | None = _size_line

    def single(self, data: bytes) -> bytes | None:
        line = _LINES.get(len(data))
        if line is None or not (data.startswith(line) and data.endswith(b"\r\n")):
            return None
        return data[len(line) : -2] if self._step is _size_line and not self._rest else None

    def feed(self, data: bytes, sink: Sink) -> bytes | None:
        if self._rest:
            data = self._rest + data
            self._rest = b""
        at = _whole_chunks(data, sink) if self._step is _size_line else 0
        while self._step is not None:
            after = self._step(self, data, at, sink)
            if after < 0:
                self._rest = data[at:]
                return None
            at = after
        return data[at:]


_SIZES = {b"%x" % size: size for size in range(1, 2048)}
"""The sizes of short chunks, as nearly everybody writes them."""

_SIZE_LONGEST = max(map(len, _SIZES))

_LINES = {len(digits) + size + 4: digits + b"\r\n" for digits, size in _SIZES.items()}


def chunk_line(length: int) -> bytes | None:
    """How all that is one short chunk begins, where it is ``length`` bytes with all its framing.

    Two bytes at its end belong to its framing, too. None where it is too long, or is no chunk.
    """
    return _LINES.get(length)


def _whole_chunks(data: bytes, sink: Sink) -> int:
    """Hands on the chunks that are here from their first byte to their last, as most are.

    Gives the place after them, where the slow steps go on.
    """
    at, size = 0, len(data)
    while at < size:
        start = data.find(b"\r\n", at, at + _SIZE_LONGEST + 2) + 2
        end = start + _SIZES.get(data[at : start - 2], size)
        if start < 2 or not data.startswith(b"\r\n", end):
            break
        sink(data[start:end])
        at = end + 2
    return at


# Each step gives the place after what it used, or -1 where it needs more.
_Step = Callable[[ChunkedFrame, bytes, int, Sink], int]


def _size_line(frame: ChunkedFrame, data: bytes, at: int, sink: Sink) -> int:
    end = _line_end(data, at, LINE_MAX)
    if end < 0:
        return -1
    match = _SIZE_LINE.fullmatch(data, at, end)
    if match is None:
        raise BadFrame("a chunk's size is malformed")
    frame._left = int(match[1], 16)
    frame._step = _chunk if frame._left else _trailer
    return end + 2


def _chunk(frame: ChunkedFrame, data: bytes, at: int, sink: Sink) -> int:
    piece = data[at : at + frame._left]
    if not piece:
        return -1
    sink(piece)
    frame._left -= len(piece)
    if not frame._left:
        frame._step = _chunk_end
    return at + len(piece)


def _chunk_end(frame: ChunkedFrame, data: bytes, at: int, sink: Sink) -> int:
    end = data[at : at + 2]
    if len(end) < 2:
        return -1
    if end != b"\r\n":
        raise BadFrame("a chunk is longer than its size")
    frame._step = _size_line
    return at + 2


def _trailer(frame: ChunkedFrame, data: bytes, at: int, sink: Sink) -> int:
    end = _line_end(data, at, TRAILERS_MAX)
    if end < 0:
        return -1
    frame._trailers += end - at
    if end == at:
        frame._step = None
    elif frame._trailers > TRAILERS_MAX or not _TRAILER.fullmatch(data, at, end):
        raise BadFrame("the trailers are malformed")
    return end + 2


def _line_end(data: bytes, at: int, limit: int) -> int:
    end = data.find(b"\r\n", at, at + limit + 2)
    if end < 0 and len(data) - at >= limit + 2:
        raise BadFrame(f"a line is longer than {limit} bytes")
    return end
