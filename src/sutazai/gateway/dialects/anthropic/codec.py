"""The Anthropic dialect, as far as a client needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sutazai.gateway.dialects.anthropic import messages, prompts
from sutazai.gateway.dialects.facts import PromptFacts
from sutazai.gateway.dialects.fields import read_flag
from sutazai.gateway.dialects.neutral import Form, JsonObject, Usage
from sutazai.gateway.dialects.reading import read_answer
from sutazai.gateway.dialects.sse import sse
from sutazai.gateway.dialects.windows import Shrunk, shrink
from sutazai.gateway.failures import Failure

_ENDPOINTS = {
    Form.MESSAGES: "/v1/messages",
    Form.COUNT: "/v1/messages/count_tokens",
}
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class AnthropicCodec:
    """See `ClientCodec`. Backends that have its endpoints are declared by what else they speak."""

    name = "anthropic"
    dialect = None
    endpoints: Mapping[Form, str] = _ENDPOINTS
    passed_on = ("anthropic-version", "anthropic-beta")
    stream_type = "text/event-stream; charset=utf-8"

    def target(self, form: Form) -> str:
        return _ENDPOINTS[form]

    def wants_stream(self, form: Form, body: JsonObject) -> bool:
        return form is Form.MESSAGES and read_flag(body.get("stream"), "stream", default=False)

    def prompt_of(self, form: Form, body: JsonObject) -> PromptFacts:
        return prompts.facts(body)

    def shrink(self, form: Form, body: JsonObject, fits: Callable[[int], bool]) -> Shrunk | None:
        return shrink(body, prompts.read(body), fits)

    def check(self, form: Form, data: bytes) -> Usage:
        return messages.check(form, read_answer(data))

    def relay(self, form: Form) -> messages.MessagesRelay:
        return messages.MessagesRelay()

    def failure_body(self, failure: Failure, *, same_dialect: bool) -> dict[str, Any]:
        said = failure.said
        if same_dialect and isinstance(said, dict) and isinstance(said.get("type"), str):
            return {"type": "error", "error": said}
        kind = "api_error" if failure.status >= 500 else "invalid_request_error"
        message = f"{failure.message} ({failure.hint})" if failure.hint else failure.message
        error = {"type": _TYPES.get(failure.status, kind), "message": message, **failure.place}
        return {"type": "error", "error": error}

    def failure_frame(self, form: Form, failure: Failure, *, same_dialect: bool) -> bytes:
        return sse(self.failure_body(failure, same_dialect=same_dialect), "error")
