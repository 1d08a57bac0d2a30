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

    def feed(self, data: bytes, sink: Sink) -> bytes | None:
        """None, or at the body's end the bytes after it. Raises BadFrame."""


class LengthFrame:
    """A body of a declared number of bytes, more than none."""

    __slots__ = ("left",)

    def __init__(self, length: int) -> None:
        self.left = length

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
        self._step: Callable[[bytes, int, Sink], int] | None = self._size_line

    def feed(self, data: bytes, sink: Sink) -> bytes | None:
        if self._rest:
            data = self._rest + data
            self._rest = b""
        at = 0
        while self._step is not None:
            after = self._step(data, at, sink)
            if after < 0:
                self._rest = data[at:]
                return None
            at = after
        return data[at:]

    # Each step gives the place after what it used, or -1 where it needs more.

    def _size_line(self, data: bytes, at: int, sink: Sink) -> int:
        end = _line_end(data, at, LINE_MAX)
        if end < 0:
            return -1
        match = _SIZE_LINE.fullmatch(data, at, end)
        if match is None:
            raise BadFrame("a chunk's size is malformed")
        self._left = int(match[1], 16)
        self._step = self._chunk if self._left else self._trailer
        return end + 2

    def _chunk(self, data: bytes, at: int, sink: Sink) -> int:
        piece = data[at : at + self._left]
        if not piece:
            return -1
        sink(piece)
        self._left -= len(piece)
        if not self._left:
            self._step = self._chunk_end
        return at + len(piece)

    def _chunk_end(self, data: bytes, at: int, sink: Sink) -> int:
        end = data[at : at + 2]
        if len(end) < 2:
            return -1
        if end != b"\r\n":
            raise BadFrame("a chunk is longer than its size")
        self._step = self._size_line
        return at + 2

    def _trailer(self, data: bytes, at: int, sink: Sink) -> int:
        end = _line_end(data, at, TRAILERS_MAX)
        if end < 0:
            return -1
        self._trailers += end - at
        if end == at:
            self._step = None
        elif self._trailers > TRAILERS_MAX or not _TRAILER.fullmatch(data, at, end):
            raise BadFrame("the trailers are malformed")
        return end + 2


def _line_end(data: bytes, at: int, limit: int) -> int:
    end = data.find(b"\r\n", at, at + limit + 2)
    if end < 0 and len(data) - at >= limit + 2:
        raise BadFrame(f"a line is longer than {limit} bytes")
    return end
