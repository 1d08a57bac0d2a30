"""Ollama's streamed answers: relayed, decoded from backends, encoded for clients."""

from __future__ import annotations

import re
from json.encoder import encode_basestring
from typing import Any

from sutazai.fleet.errors import BadPeer
from sutazai.gateway.dialects.neutral import Delta, End, Envelope, Event, Form, said
from sutazai.gateway.dialects.ollama.answers import (
    delta_body,
    end_body,
    raise_inband,
    read_delta,
    read_end,
    read_usage,
    timestamp,
)
from sutazai.gateway.dialects.streams import LineDecoder, Relay, is_one, read_frame, write_json

# What makes a line worth parsing while it is relayed. Inside a text these marks stand with their
# quotes escaped, so that no text is taken for them.
_TELLS = re.compile(rb'"(?:error"|done": ?true)').search


class OllamaRelay(Relay):
    """Passes Ollama's lines on."""

    def _end_of_frames(self, data: bytes) -> int:
        return data.rfind(b"\n") + 1

    def _is_plain(self, data: bytes) -> bool:
        return _is_plain(data) and not self.ended

    def _look(self, line: bytes) -> bool:
        line = line.strip()
        if not line:
            return False
        if not (line.startswith(b"{") and line.endswith(b"}")):
            raise BadPeer("the backend sent a line that is not a JSON object")
        if _TELLS(line):
            value = read_frame(line)
            raise_inband(value)
            if value.get("done"):
                self.ended, self._told = True, read_usage(value)
                return True
        self.pieces += 1
        return False


def _is_plain(data: bytes) -> bool:
    """Whether ``data`` is one line, and has nothing that is worth parsing while it is relayed."""
    return is_one(data, b"{", b"}\n") and not _TELLS(data)


class OllamaDecoder(LineDecoder):
    """Events out of a backend's stream."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        self._form = form

    def _is_plain(self, data: bytes) -> bool:
        return _is_plain(data)

    def _line(self, line: bytes, events: list[Event]) -> None:
        value = read_frame(line)
        raise_inband(value)
        events += said(read_delta(self._form, value))
        if value.get("done"):
            self.ended = True
            events.append(read_end(value))


class OllamaEncoder:
    """A client's stream out of events."""

    def __init__(self, form: Form, envelope: Envelope) -> None:
        self._form = form
        self._envelope = envelope
        self._created = envelope.created
        self._before = f'{{"model":{write_json(envelope.model).decode()},"created_at":"'
        if form is Form.COMPLETION:
            self._between, self._after = '","response":', ',"done":false}\n'
        else:
            self._between = '","message":{"role":"assistant","content":'
            self._after = '},"done":false}\n'
        self._end = self._after.encode()

    def encode(self, event: Event, elapsed: float) -> bytes:
        if isinstance(event, str):  # what nearly all lines are, without building them anew
            created, words = timestamp(self._created + elapsed), encode_basestring(event)
            try:
                return f"{self._before}{created}{self._between}{words}{self._after}".encode()
            except UnicodeEncodeError:
                event = Delta(event)
        if isinstance(event, End):
            return ndjson(self._last(event, elapsed))
        return ndjson(delta_body(self._form, event, self._envelope, elapsed))

    def around(self, elapsed: float) -> tuple[bytes, bytes]:
        created = timestamp(self._created + elapsed)
        return f"{self._before}{created}{self._between}".encode(), self._end

    def _last(self, end: End, elapsed: float) -> dict[str, Any]:
        empty = delta_body(self._form, Delta(), self._envelope, elapsed)
        return {**empty, **end_body(end, elapsed)}


def ndjson(value: Any) -> bytes:
    """One line."""
    return write_json(value) + b"\n"
