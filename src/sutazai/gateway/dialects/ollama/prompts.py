"""What can be told of Ollama's prompts at a glance (see `facts`)."""

from __future__ import annotations

from collections.abc import Mapping

from sutazai.gateway.dialects.facts import (
    CHARS_OF_TOKEN,
    Prompt,
    PromptFacts,
    length,
    length_of_texts,
    read_messages,
    written,
)
from sutazai.gateway.dialects.neutral import Form, JsonObject


def facts(form: Form, body: JsonObject) -> PromptFacts:
    """A call at a glance."""
    given = body.get("options")
    options: JsonObject = given if isinstance(given, Mapping) else {}
    return read(form, body).facts(
        options, max_tokens=options.get("num_predict"), num_ctx=options.get("num_ctx")
    )


def read(form: Form, body: JsonObject) -> Prompt:
    """The prompt in ``body``."""
    prompt = Prompt(fixed=written(body.get("tools")))
    if form is Form.CHAT:
        read_messages(prompt, body.get("messages"))
    elif form is Form.COMPLETION:
        _read_generate(prompt, body)
    else:
        given = body.get("input" if form is Form.EMBEDDING else "prompt")
        prompt.texts = length_of_texts(given)
    return prompt


def _read_generate(prompt: Prompt, body: JsonObject) -> None:
    prompt.fixed += sum([length(body.get(name)) for name in ("system", "prompt", "suffix")])
    system, images, before = body.get("system"), body.get("images"), body.get("context")
    if isinstance(system, str):
        prompt.system = system
    if isinstance(images, list):
        prompt.images = len(images)
    if isinstance(before, list):  # the tokens of the conversation so far
        prompt.fixed += len(before) * CHARS_OF_TOKEN
