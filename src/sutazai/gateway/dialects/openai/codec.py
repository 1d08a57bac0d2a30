"""The OpenAI dialect as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sutazai.fleet.declared import Dialect
from sutazai.fleet.errors import BadInput
from sutazai.gateway.dialects.facts import PromptFacts
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
from sutazai.gateway.dialects.openai import answers, models, prompts, requests, responses
from sutazai.gateway.dialects.openai.streams import OpenAiDecoder, OpenAiEncoder, OpenAiRelay
from sutazai.gateway.dialects.reading import read_answer
from sutazai.gateway.dialects.sse import SseRelay, sse
from sutazai.gateway.dialects.streams import backend_speaks
from sutazai.gateway.dialects.windows import Shrunk, shrink
from sutazai.gateway.failures import MODEL_NOT_FOUND, Failure

_ENDPOINTS = {
    Form.CHAT: "/v1/chat/completions",
    Form.COMPLETION: "/v1/completions",
    Form.EMBEDDING: "/v1/embeddings",
    Form.RESPONSES: "/v1/responses",
}
_RESPONSES: Final = Form.RESPONSES  # a member of an enum is found slowly
_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}


class OpenAiCodec:
    """See `Codec`."""

    name = dialect = Dialect.OPENAI
    endpoints: Mapping[Form, str] = _ENDPOINTS
    stream_type = "text/event-stream; charset=utf-8"
    passed_on: tuple[str, ...] = ()
    list_target = "/v1/models"

    def target(self, form: Form) -> str:
        return _ENDPOINTS[form]

    def wants_stream(self, form: Form, body: JsonObject) -> bool:
        stream = body.get("stream")
        if stream is None or stream is False or form is Form.EMBEDDING:
            return False
        return read_flag(stream, "stream", default=False)

    def prompt_of(self, form: Form, body: JsonObject) -> PromptFacts:
        return prompts.facts(form, body)

    def shrink(self, form: Form, body: JsonObject, fits: Callable[[int], bool]) -> Shrunk | None:
        return shrink(body, prompts.read(form, body), fits)

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
        self,
        form: Form,
        answer: Answer | Vectors,
        envelope: Envelope,
        elapsed: float,
        call: Call | None,
    ) -> dict[str, Any]:
        base64 = isinstance(call, Embedding) and call.base64
        with backend_speaks:
            return answers.render(form, answer, envelope, base64=base64)

    def render_models(self, listed: Sequence[Model]) -> dict[str, Any]:
        return models.render(listed)

    def failure_body(self, failure: Failure, *, same_dialect: bool) -> dict[str, Any]:
        if same_dialect and isinstance(failure.said, dict):
            return {"error": failure.said}
        fallback = "server_error" if failure.status >= 500 else "invalid_request_error"
        message = f"{failure.message} ({failure.hint})" if failure.hint else failure.message
        error: dict[str, Any] = {
            "message": message,
            "type": _TYPES.get(failure.status, fallback),
            "param": "model" if failure.code == MODEL_NOT_FOUND else None,
            "code": failure.code,
        }
        if failure.error is not None:
            error["sutazai_code"] = failure.error
        return {"error": {**error, **failure.place}}

    def failure_frame(self, form: Form, failure: Failure, *, same_dialect: bool) -> bytes:
        body = self.failure_body(failure, same_dialect=same_dialect)
        if form is not Form.RESPONSES:
            return sse(body)
        # As an event of that API has it, and as its clients look for errors in all streams.
        told = {name: body["error"].get(name) for name in ("code", "message", "param")}
        return sse({"type": "error", **told, **body}, "error")

    def render(self, call: Call, model: str) -> dict[str, Any]:
        return requests.render(call, model)

    def check(self, form: Form, data: bytes) -> Usage:
        if form is _RESPONSES:
            return responses.check(read_answer(data))
        return answers.usage_of(form, data)

    def parse_answer(self, form: Form, value: JsonObject) -> Answer | Vectors:
        return answers.parse(form, value)

    def relay(self, form: Form) -> SseRelay:
        return responses.ResponsesRelay() if form is Form.RESPONSES else OpenAiRelay()

    def decoder(self, form: Form) -> OpenAiDecoder:
        return OpenAiDecoder(form)

    def streamed(self, form: Form, body: JsonObject) -> dict[str, Any] | None:
        return requests.streamed(form, body)

    def parse_models(self, value: Any) -> tuple[Model, ...]:
        return models.parse(value)
