"""Server-sent events (the ``text/event-stream`` format of the HTML standard)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sutazai.fleet.errors import BadInput, BadPeer

EVENT_MAX = 16 * 1024 * 1024

_LINE_END = re.compile("\r\n|\n|\r")


@dataclass(frozen=True)
class SseEvent:
    """One event; ``event`` is ``message`` where the sender named none."""

    event: str
    data: str
    id: str | None = None


def sse_event(data: str, event: str | None = None, id: str | None = None) -> bytes:  # noqa: A002 (the field's name)
    """One event as it is sent. Raises BadInput where a name or an id holds a line end."""
    head = _field("event", event) + _field("id", id)
    lines = "".join(f"data: {line}\n" for line in _LINE_END.split(data))
    return f"{head}{lines}\n".encode()


def _field(name: str, value: str | None) -> str:
    if value is None:
        return ""
    if _LINE_END.search(value) or "\0" in value:
        raise BadInput(f"an event's {name} must be a single line")
    return f"{name}: {value}\n"


class SseDecoder:
    """Events out of a stream of bytes, cut anywhere.

    An event that the stream's end cuts short is dropped, as the standard says. One of more than
    16 MiB raises BadPeer.
    """

    __slots__ = ("_after_cr", "_data", "_event", "_id", "_pending", "_size", "_start")

    def __init__(self) -> None:
        self._pending: list[bytes] = []  # the beginning of a line
        self._data: list[str] = []
        self._event = ""
        self._id: str | None = None
        self._size = 0  # of both lists
        self._start = True
        self._after_cr = False

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """The events that ``chunk`` completes. Comments are left out."""
        found = []
        for line in self._lines(chunk):
            if line:
                self._field(line)
            elif (event := self._dispatch()) is not None:
                found.append(event)
        return found

    def _lines(self, chunk: bytes) -> list[str]:
        if self._after_cr and chunk:  # a CRLF may be cut in two
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        self._after_cr = self._after_cr or chunk.endswith(b"\r")
        *lines, rest = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        if lines:
            lines[0] = b"".join(self._pending) + lines[0]
            self._pending.clear()
        self._pending.append(rest)
        self._count(len(chunk))
        return self._without_mark([line.decode("utf-8", "replace") for line in lines])

    def _without_mark(self, lines: list[str]) -> list[str]:
        if self._start and lines:
            self._start = False
            lines[0] = lines[0].removeprefix("\ufeff")
        return lines

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value

    def _dispatch(self) -> SseEvent | None:
        data, event = self._data, self._event
        self._data, self._event, self._size = [], "", len(self._pending[0])
        return SseEvent(event or "message", "\n".join(data), self._id) if data else None

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > EVENT_MAX:
            self._pending.clear()
            self._data.clear()
            self._size = 0
            raise BadPeer(f"an event is longer than {EVENT_MAX} bytes")
