"""Ollama's streamed answers: relayed, decoded from backends, encoded for clients."""

from __future__ import annotations

from typing import Any

from sutazai.fleet.errors import BadPeer, SutazaiError
from sutazai.gateway.dialects.neutral import Delta, End, Envelope, Event, Form, Usage
from sutazai.gateway.dialects.ollama.answers import (
    delta_body,
    end_body,
    raise_inband,
    read_delta,
    read_end,
    read_usage,
)
from sutazai.gateway.dialects.streams import (
    FRAME_MAX,
    Relay,
    backend_speaks,
    read_frame,
    write_json,
)
from sutazai.wire import LineSplitter


class OllamaRelay(Relay):
    """Passes Ollama's lines on; until the last one tells the usage, a line counts as one token."""

    def _look(self, line: bytes) -> bool:
        line = line.strip()
        if not line:
            return False
        if not (line.startswith(b"{") and line.endswith(b"}")):
            raise BadPeer("the backend sent a line that is not a JSON object")
        if _tells(line):
            value = read_frame(line)
            raise_inband(value)
            if value.get("done"):
                self.ended, self.usage = True, read_usage(value)
                return True
        if not self.ended:
            self.usage = Usage(0, self.usage.completion_tokens + 1)
        return False


def _tells(line: bytes) -> bool:
    """Whether a line is worth parsing while it is relayed. Inside a text these marks stand with
    their quotes escaped, so that no text is taken for them."""
    return b'"error"' in line or b'"done":true' in line or b'"done": true' in line


class OllamaDecoder:
    """Events out of a backend's stream."""

    def __init__(self, form: Form) -> None:
        self.error: SutazaiError | None = None
        self.ended = False
        self._form = form
        self._lines = LineSplitter(FRAME_MAX)

    def feed(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        try:
            with backend_speaks:
                for line in self._lines.feed(data):
                    events += self._line(line)
        except SutazaiError as error:
            self.error = error
        return events

    def finish(self) -> list[Event]:
        """The last line may lack its end."""
        return self.feed(b"\n")

    def _line(self, line: bytes) -> list[Event]:
        if not line.strip():
            return []
        value = read_frame(line)
        raise_inband(value)
        delta = read_delta(self._form, value)
        said = delta.text or delta.thinking or delta.tool_calls
        events: list[Event] = [delta] if said else []
        if value.get("done"):
            self.ended = True
            events.append(read_end(value))
        return events


class OllamaEncoder:
    """A client's stream out of events."""

    def __init__(self, form: Form, envelope: Envelope) -> None:
        self._form = form
        self._envelope = envelope

    def encode(self, event: Event, elapsed: float) -> bytes:
        if isinstance(event, Delta):
            return ndjson(delta_body(self._form, event, self._envelope, elapsed))
        return ndjson(self._last(event, elapsed))

    def _last(self, end: End, elapsed: float) -> dict[str, Any]:
        empty = delta_body(self._form, Delta(), self._envelope, elapsed)
        return {**empty, **end_body(end, elapsed)}


def ndjson(value: Any) -> bytes:
    """One line."""
    return write_json(value) + b"\n"
