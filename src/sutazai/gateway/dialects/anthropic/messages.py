"""Anthropic's answers: only errors, ends and counts are understood."""

from __future__ import annotations

import re

from sutazai.fleet.errors import BadPeer
from sutazai.gateway.dialects.neutral import NO_USAGE, Form, JsonObject, Usage
from sutazai.gateway.dialects.sse import NamedSseRelay
from sutazai.gateway.dialects.streams import count
from sutazai.gateway.failures import BackendFailed, inband_failure


def check(form: Form, value: JsonObject) -> Usage:
    """The usage of a whole answer. Raises BackendFailed or BadPeer if it is no answer."""
    raise_inband(value)
    if form is Form.COUNT:
        if not isinstance(value.get("input_tokens"), int):
            raise BadPeer("the backend's answer has no count")
        return NO_USAGE  # a count of what was not computed
    if not isinstance(value.get("content"), list):
        raise BadPeer("the backend's answer has no content")
    return read_usage(value, NO_USAGE)


def raise_inband(value: JsonObject) -> None:
    """Raises BackendFailed where ``value`` is an error, whatever status it came with."""
    if value.get("error") or value.get("type") == "error":
        raise BackendFailed(inband_failure(value.get("error")))


def read_usage(holder: JsonObject, before: Usage) -> Usage:
    """The usage that an answer or a frame tells; what it leaves out stays as ``before``."""
    usage = holder.get("usage")
    if not isinstance(usage, dict):
        return before
    cached = count(usage.get("cache_read_input_tokens"))
    prompt = cached + sum(
        [count(usage.get(name)) for name in ("input_tokens", "cache_creation_input_tokens")]
    )
    completion = count(usage.get("output_tokens"))
    return Usage(
        prompt or before.prompt_tokens,
        completion or before.completion_tokens,
        cached or before.cached_tokens,
    )


class MessagesRelay(NamedSseRelay):
    """Passes the events of a message on."""

    plain = b"event: content_block_delta\ndata: {"
    tells = re.compile(rb'"(?:error|message_start|message_delta|message_stop)"').search
    piece = re.compile(rb'"type": ?"content_block_delta"').search

    def __init__(self) -> None:
        super().__init__()
        self._prompt = NO_USAGE

    @property
    def usage(self) -> Usage:
        """A message's beginning tells of the prompt only: its pieces count until its end."""
        if self._told is not None:
            return self._told
        return Usage(self._prompt.prompt_tokens, self.pieces, self._prompt.cached_tokens)

    def _heard(self, value: JsonObject) -> bool:
        raise_inband(value)
        kind, message = value.get("type"), value.get("message")
        if kind == "message_start" and isinstance(message, dict):
            self._prompt = read_usage(message, NO_USAGE)
        elif kind == "message_delta":
            self._note(value)
        return kind == "message_stop"

    def _note(self, value: JsonObject) -> None:
        told = read_usage(value, self._prompt)
        if told.completion_tokens:
            self._told = told
