"""OpenAI's Responses API: relayed only, so that only errors, ends and counts are understood."""

from __future__ import annotations

import re
from typing import Any

from sutazai.fleet.errors import BadPeer
from sutazai.gateway.dialects.neutral import NO_USAGE, JsonObject, Usage
from sutazai.gateway.dialects.openai.answers import raise_inband
from sutazai.gateway.dialects.sse import NamedSseRelay
from sutazai.gateway.dialects.streams import count
from sutazai.gateway.failures import BackendFailed, inband_failure

_ENDS = ("response.completed", "response.incomplete")


def check(value: JsonObject) -> Usage:
    """The usage of a whole response. Raises BackendFailed or BadPeer if it is none."""
    raise_inband(value)
    if value.get("object") != "response" and not isinstance(value.get("output"), list):
        raise BadPeer("the backend's answer has no output")
    return read_usage(value)


def read_usage(response: JsonObject) -> Usage:
    usage = response.get("usage")
    if not isinstance(usage, dict):
        return NO_USAGE
    details = usage.get("input_tokens_details")
    cached = count(details.get("cached_tokens")) if isinstance(details, dict) else 0
    return Usage(count(usage.get("input_tokens")), count(usage.get("output_tokens")), cached)


class ResponsesRelay(NamedSseRelay):
    """Passes the events of a response on."""

    plain = b"event: response.output_text.delta\ndata: {"
    tells = re.compile(rb'"(?:error|response\.(?:completed|incomplete|failed))"').search
    piece = re.compile(rb'"type": ?"response\.[a-z_.]+\.delta"').search

    def _heard(self, value: JsonObject) -> bool:
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
        if (usage := read_usage(response)) != NO_USAGE:
            self._told = usage
        return True
