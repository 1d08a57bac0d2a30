"""Lines out of a stream of bytes."""

from __future__ import annotations

from sutazai.fleet.errors import BadPeer


class LineSplitter:
    """Cuts a stream into lines that end in ``\\n`` or ``\\r\\n``.

    Args:
        limit: the longest line in bytes; a longer one raises BadPeer, so memory stays bounded.
    """

    __slots__ = ("_limit", "_pending", "_size")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pending: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that ``data`` completes, without their ends."""
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = self.rest() + lines[0]
            self._pending.clear()
            self._size = 0
        self._pending.append(rest)
        self._size += len(rest)
        found = [line[:-1] if line.endswith(b"\r") else line for line in lines]
        # A line that is not at its end may have its CR already.
        if self._size > self._limit + 1 or any(len(line) > self._limit for line in found):
            self._pending.clear()
            raise BadPeer(f"a line is longer than {self._limit} bytes")
        return found

    def rest(self) -> bytes:
        """What came after the last line's end; empty after a clean end of the stream."""
        return b"".join(self._pending)
