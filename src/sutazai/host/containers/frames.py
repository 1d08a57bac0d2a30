"""What a container prints, as an engine sends it: pieces of its two outputs. Pure.

Each piece is a frame: a head of eight bytes (which output, 1 or 2; three of nought; four for the
length), then the time, a blank and what was printed, mostly one line; a program that writes its
lines bit by bit makes more of them. A container with a terminal has one output, and lines in place
of frames.
"""

from __future__ import annotations

HEAD = 8

Piece = tuple[int, bytes]
"""The output, and what came of it."""


class Frames:
    """Takes bytes as they come and gives whole pieces."""

    def __init__(self, *, terminal: bool) -> None:
        self._terminal = terminal
        self._data = b""

    def feed(self, data: bytes) -> list[Piece]:
        """The pieces that ``data`` completes."""
        self._data += data
        found = []
        while (piece := self._line() if self._terminal else self._frame()) is not None:
            found.append(piece)
        return found

    def _line(self) -> Piece | None:
        line, end, rest = self._data.partition(b"\n")
        if not end:
            return None
        self._data = rest
        return 0, line + end

    def _frame(self) -> Piece | None:
        end = HEAD + int.from_bytes(self._data[4:HEAD], "big")
        if len(self._data) < max(HEAD, end):
            return None
        piece = self._data[0], self._data[HEAD:end]
        self._data = self._data[end:]
        return piece


class Lines:
    """Puts the pieces of lines together."""

    def __init__(self) -> None:
        self._rests: dict[int, str] = {}

    @property
    def pending(self) -> bool:
        """Whether a line has begun and not ended."""
        return any(self._rests.values())

    def add(self, output: int, text: str) -> list[str]:
        """The lines that ``text`` completes, without their ends."""
        *lines, rest = (self._rests.get(output, "") + text).split("\n")
        self._rests[output] = rest
        return [line.removesuffix("\r") for line in lines]

    def rest(self) -> list[str]:
        """What came without an end of line."""
        rests = [rest for rest in self._rests.values() if rest]
        self._rests.clear()
        return rests
