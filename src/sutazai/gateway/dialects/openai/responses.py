"""OpenAI's Responses API: relayed only, so that only errors, ends and counts are understood."""

from __future__ import annotations

import re
from typing import Any

from sutazai.fleet.errors import BadPeer
from sutazai.gateway.dialects.neutral import JsonObject, Usage
from sutazai.gateway.dialects.openai.answers import raise_inband
from sutazai.gateway.dialects.sse import SseRelay
from sutazai.gateway.dialects.streams import count, read_frame
from sutazai.gateway.failures import BackendFailed, inband_failure

_ENDS = ("response.completed", "response.incomplete")

# Inside a text these marks stand with their quotes escaped.
_TELLS = re.compile(rb'"(?:error|response\.(?:completed|incomplete|failed))"').search
_PIECE = re.compile(rb'"type": ?"response\.[a-z_.]+\.delta"').search


def check(value: JsonObject) -> Usage:
    """The usage of a whole response. Raises BackendFailed or BadPeer if it is none."""
    raise_inband(value)
    if value.get("object") != "response" and not isinstance(value.get("output"), list):
        raise BadPeer("the backend's answer has no output")
    return read_usage(value)


def read_usage(response: JsonObject) -> Usage:
    usage = response.get("usage")
    if not isinstance(usage, dict):
        return Usage()
    details = usage.get("input_tokens_details")
    cached = count(details.get("cached_tokens")) if isinstance(details, dict) else 0
    return Usage(count(usage.get("input_tokens")), count(usage.get("output_tokens")), cached)


class ResponsesRelay(SseRelay):
    """Passes the events of a response on."""

    def _is_plain(self, data: bytes) -> bool:
        return (
            data.startswith(b"event: response.output_text.delta\ndata: {")
            and data.endswith(b"}\n\n")
            and data.count(b"\n") == 3
            and not _TELLS(data)
        )

    def _look_at_frame(self, frame: bytes) -> bool:
        if not _TELLS(frame):
            self._pieces += _PIECE(frame) is not None
            return False
        value = read_frame(frame)
        kind = value.get("type")
        if kind == "error":  # its words stand in the frame itself, or in an object of their own
            raise BackendFailed(inband_failure(value.get("error") or value))
        if not isinstance(kind, str):
            raise_inband(value)
        response = value.get("response")
        return isinstance(response, dict) and self._note(kind, response)

    def _note(self, kind: Any, response: JsonObject) -> bool:
        if kind == "response.failed":
            raise BackendFailed(inband_failure(response.get("error")))
        if kind not in _ENDS:
            return False
        if (usage := read_usage(response)) != Usage():
            self._told = usage
        return True
