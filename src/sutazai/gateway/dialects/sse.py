"""Streams of server-sent events, as OpenAI's and Anthropic's are.

Whatever the standard allows beyond it, servers send each frame on one line. A frame goes out when
it is whole, empty line and all, so that another one can follow it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from sutazai.fleet.errors import BadPeer
from sutazai.gateway.dialects.neutral import JsonObject
from sutazai.gateway.dialects.streams import Relay, is_one, read_frame, write_json
from sutazai.wire import sse_event

DONE = b"[DONE]"

Find = Callable[[bytes], object | None]
"""Something where it is found, else None."""


class SseRelay(Relay):
    """Passes events on, looking at their data."""

    def _end_of_frames(self, data: bytes) -> int:
        plain, windows = data.rfind(b"\n\n"), data.rfind(b"\n\r\n")
        return max(plain + 2 if plain >= 0 else 0, windows + 3 if windows >= 0 else 0)

    def _look(self, line: bytes) -> bool:
        if not line.startswith(b"data:"):
            return self._look_aside(line)
        frame = line[5:].strip()
        last = frame == DONE
        if not last:
            if not (frame.startswith(b"{") and frame.endswith(b"}")):
                raise BadPeer("the backend sent a frame that is not a JSON object")
            last = self._look_at_frame(frame)
        self.ended = self.ended or last
        return last

    def _look_aside(self, line: bytes) -> bool:
        """For lines that are no data. Raises BackendFailed."""
        return False

    @abstractmethod
    def _look_at_frame(self, frame: bytes) -> bool:
        """Whether the frame ends the answer. Raises BackendFailed or BadPeer."""


class NamedSseRelay(SseRelay):
    """Passes on events that have names, of which nearly all are pieces of the answer.

    Attributes:
        plain: how an event begins that is such a piece and nothing else.
        tells: finds what makes a frame worth parsing. Inside a text these marks stand with their
            quotes escaped.
        piece: finds what makes another frame a piece of the answer.
    """

    plain: bytes
    tells: Find
    piece: Find

    def _is_plain(self, data: bytes) -> bool:
        return is_one(data, self.plain, b"}\n\n") and not self.tells(data)

    def _look_at_frame(self, frame: bytes) -> bool:
        self.pieces += self.piece(frame) is not None
        return self.tells(frame) is not None and self._heard(read_frame(frame))

    @abstractmethod
    def _heard(self, value: JsonObject) -> bool:
        """Whether a frame that is worth parsing ends the answer. Raises BackendFailed."""


def sse(value: object, event: str | None = None) -> bytes:
    """One frame."""
    if event is None:
        return b"data: " + write_json(value) + b"\n\n"
    return sse_event(write_json(value).decode(), event)
