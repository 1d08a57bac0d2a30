"""The Ollama dialect as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sutazai.fleet.declared import Dialect
from sutazai.gateway.dialects.facts import PromptFacts
from sutazai.gateway.dialects.fields import read_flag
from sutazai.gateway.dialects.neutral import (
    Answer,
    Call,
    Envelope,
    Form,
    JsonObject,
    Model,
    Usage,
    Vectors,
)
from sutazai.gateway.dialects.ollama import answers, models, prompts, requests
from sutazai.gateway.dialects.ollama.streams import (
    OllamaDecoder,
    OllamaEncoder,
    OllamaRelay,
    ndjson,
)
from sutazai.gateway.dialects.streams import backend_speaks
from sutazai.gateway.dialects.windows import Shrunk, shrink
from sutazai.gateway.failures import MODEL_NOT_FOUND, Failure

_ENDPOINTS = {
    Form.CHAT: "/api/chat",
    Form.COMPLETION: "/api/generate",
    Form.EMBEDDING: "/api/embed",
    Form.SINGLE_EMBEDDING: "/api/embeddings",
}
_STREAMED = (Form.CHAT, Form.COMPLETION)


class OllamaCodec:
    """See `Codec`."""

    name = dialect = Dialect.OLLAMA
    endpoints: Mapping[Form, str] = _ENDPOINTS
    stream_type = "application/x-ndjson"
    passed_on: tuple[str, ...] = ()
    list_target = "/api/tags"

    def target(self, form: Form) -> str:
        return _ENDPOINTS[form]

    def wants_stream(self, form: Form, body: JsonObject) -> bool:
        return form in _STREAMED and read_flag(body.get("stream"), "stream", default=True)

    def prompt_of(self, form: Form, body: JsonObject) -> PromptFacts:
        return prompts.facts(form, body)

    def shrink(self, form: Form, body: JsonObject, fits: Callable[[int], bool]) -> Shrunk | None:
        return shrink(body, prompts.read(form, body), fits)

    def parse(self, form: Form, body: JsonObject) -> Call:
        return requests.parse(form, body)

    def only_loads(self, form: Form, body: JsonObject) -> bool:
        return requests.only_loads(form, body)

    def loaded_answer(self, form: Form, body: JsonObject, envelope: Envelope) -> dict[str, Any]:
        return answers.loaded(form, body, envelope)

    def encoder(self, form: Form, envelope: Envelope, call: Call) -> OllamaEncoder:
        return OllamaEncoder(form, envelope)

    def render_answer(
        self,
        form: Form,
        answer: Answer | Vectors,
        envelope: Envelope,
        elapsed: float,
        call: Call | None,
    ) -> dict[str, Any]:
        with backend_speaks:
            return answers.render(form, answer, envelope, elapsed)

    def render_models(self, listed: Sequence[Model]) -> dict[str, Any]:
        return models.render(listed)

    def failure_body(self, failure: Failure, *, same_dialect: bool) -> dict[str, Any]:
        if failure.hint and failure.code != MODEL_NOT_FOUND:
            return {"error": f"{failure.message} ({failure.hint})", **failure.place}
        return {"error": failure.message, **failure.place}

    def failure_frame(self, form: Form, failure: Failure, *, same_dialect: bool) -> bytes:
        return ndjson(self.failure_body(failure, same_dialect=same_dialect))

    def render(self, call: Call, model: str) -> dict[str, Any]:
        return requests.render(call, model)

    def check(self, form: Form, data: bytes) -> Usage:
        return answers.usage_of(form, data)

    def parse_answer(self, form: Form, value: JsonObject) -> Answer | Vectors:
        return answers.parse(form, value)

    def relay(self, form: Form) -> OllamaRelay:
        return OllamaRelay()

    def decoder(self, form: Form) -> OllamaDecoder:
        return OllamaDecoder(form)

    def streamed(self, form: Form, body: JsonObject) -> dict[str, Any] | None:
        return requests.streamed(form, body)

    def parse_models(self, value: Any) -> tuple[Model, ...]:
        return models.parse(value)
