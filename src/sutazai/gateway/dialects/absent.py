"""When a backend does not have the API that a call is relayed to."""

from __future__ import annotations

from sutazai.fleet.errors import NotFound
from sutazai.gateway.dialects.neutral import Form
from sutazai.gateway.failures import MODEL_NOT_FOUND, Failure

_NAMES = {
    Form.RESPONSES: "OpenAI's Responses API",
    Form.MESSAGES: "Anthropic's Messages API",
    Form.COUNT: "Anthropic's API for counting tokens",
}
_ABSENT = (404, 405, 501)


class NoSuchApi(NotFound):
    """No backend of the model has this API; the call cannot be said in another."""


def absent_api(form: Form, failure: Failure) -> NoSuchApi | None:
    """What the client is told where ``failure``, a backend's answer to a call that only can be
    relayed, means that it has no such endpoint; None where it means anything else."""
    if form not in _NAMES or failure.status not in _ABSENT or _is_about_model(failure):
        return None
    return NoSuchApi(
        f"no backend for this model has {_NAMES[form]}",
        hint="a current Ollama or llama.cpp server has it; or use chat completions instead",
    )


def _is_about_model(failure: Failure) -> bool:
    return failure.code == MODEL_NOT_FOUND or "model" in failure.message.lower()
