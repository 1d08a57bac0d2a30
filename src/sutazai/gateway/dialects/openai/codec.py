"""The OpenAI dialect as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sutazai.fleet.errors import BadInput
from sutazai.gateway.dialects.fields import read_flag
from sutazai.gateway.dialects.neutral import (
    Answer,
    Call,
    Embedding,
    Envelope,
    Form,
    JsonObject,
    Model,
    Usage,
    Vectors,
)
from sutazai.gateway.dialects.openai import answers, models, requests
from sutazai.gateway.dialects.openai.streams import (
    OpenAiDecoder,
    OpenAiEncoder,
    OpenAiRelay,
    sse,
)
from sutazai.gateway.failures import MODEL_NOT_FOUND, Failure

_TARGETS = {
    Form.CHAT: "/v1/chat/completions",
    Form.COMPLETION: "/v1/completions",
    Form.EMBEDDING: "/v1/embeddings",
}
_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}


class OpenAiCodec:
    """See `Codec`."""

    stream_type = "text/event-stream; charset=utf-8"
    list_target = "/v1/models"

    def target(self, form: Form) -> str:
        return _TARGETS[form]

    def wants_stream(self, form: Form, body: JsonObject) -> bool:
        return form is not Form.EMBEDDING and read_flag(body.get("stream"), "stream", default=False)

    def parse(self, form: Form, body: JsonObject) -> Call:
        return requests.parse(form, body)

    def only_loads(self, form: Form, body: JsonObject) -> bool:
        return False

    def loaded_answer(self, form: Form, body: JsonObject, envelope: Envelope) -> dict[str, Any]:
        raise BadInput("an OpenAI client has no call that only loads a model")

    def encoder(self, form: Form, envelope: Envelope, call: Call) -> OpenAiEncoder:
        include_usage = not isinstance(call, Embedding) and call.include_usage
        return OpenAiEncoder(form, envelope, include_usage=include_usage)

    def render_answer(
        self, form: Form, answer: Answer | Vectors, envelope: Envelope, elapsed: float
    ) -> dict[str, Any]:
        return answers.render(form, answer, envelope)

    def render_models(self, listed: Sequence[Model]) -> dict[str, Any]:
        return models.render(listed)

    def failure_body(self, failure: Failure, *, same_dialect: bool) -> dict[str, Any]:
        if same_dialect and isinstance(failure.said, dict):
            return {"error": failure.said}
        fallback = "server_error" if failure.status >= 500 else "invalid_request_error"
        message = f"{failure.message} ({failure.hint})" if failure.hint else failure.message
        error = {
            "message": message,
            "type": _TYPES.get(failure.status, fallback),
            "param": "model" if failure.code == MODEL_NOT_FOUND else None,
            "code": failure.code,
        }
        if failure.error is not None:
            error["sutazai_code"] = failure.error
        return {"error": error}

    def failure_frame(self, failure: Failure, *, same_dialect: bool) -> bytes:
        return sse(self.failure_body(failure, same_dialect=same_dialect))

    def render(self, call: Call, model: str) -> dict[str, Any]:
        return requests.render(call, model)

    def check(self, form: Form, value: JsonObject) -> Usage:
        return answers.check(form, value)

    def parse_answer(self, form: Form, value: JsonObject) -> Answer | Vectors:
        return answers.parse(form, value)

    def relay(self) -> OpenAiRelay:
        return OpenAiRelay()

    def decoder(self, form: Form) -> OpenAiDecoder:
        return OpenAiDecoder(form)

    def parse_models(self, value: Any) -> tuple[Model, ...]:
        return models.parse(value)
