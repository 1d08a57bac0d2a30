"""What can be told of OpenAI's prompts at a glance (see `facts`)."""

from __future__ import annotations

from collections.abc import Mapping

from sutazai.gateway.dialects.facts import (
    Kind,
    Prompt,
    PromptFacts,
    Turn,
    items,
    kind_of,
    length,
    length_of_texts,
    note_system,
    read_messages,
    read_parts,
    written,
)
from sutazai.gateway.dialects.neutral import Form, JsonObject


def facts(form: Form, body: JsonObject) -> PromptFacts:
    """A call at a glance."""
    most = body.get("max_completion_tokens") or body.get("max_tokens")
    if form is Form.RESPONSES:
        most = body.get("max_output_tokens")
    return read(form, body).facts(body, max_tokens=most, choices=body.get("n"))


def read(form: Form, body: JsonObject) -> Prompt:
    """The prompt in ``body``."""
    prompt = Prompt(fixed=written(body.get("tools")))
    if form is Form.CHAT:
        read_messages(prompt, body.get("messages"))
    elif form is Form.COMPLETION:
        prompt.fixed += sum(length_of_texts(body.get("prompt"))) + length(body.get("suffix"))
    elif form is Form.EMBEDDING:
        prompt.texts = length_of_texts(body.get("input"))
    else:
        _read_input(prompt, body)
    return prompt


def _read_input(prompt: Prompt, body: JsonObject) -> None:
    """The Responses API's: a text, or turns with calls and results as items of their own."""
    instructions, given = body.get("instructions"), body.get("input")
    if isinstance(instructions, str):
        prompt.fixed += len(instructions)
        prompt.system = instructions
    if isinstance(given, str):
        prompt.turns.append(Turn(Kind.USER, len(given)))
        return
    prompt.key = "input"
    for item in items(given):
        kind = _kind_of(item)
        content = item.get("content")
        if kind is Kind.SYSTEM:
            note_system(prompt, content)
        prompt.turns.append(Turn(kind, _length_of(prompt, item)))


def _kind_of(item: JsonObject) -> Kind:
    if "role" in item:
        return kind_of(item["role"])
    return Kind.TOOL if str(item.get("type")).endswith("_output") else Kind.MODEL


def _length_of(prompt: Prompt, item: JsonObject) -> int:
    chars = length(item.get("name")) + written(item.get("arguments"))
    for name in ("content", "output", "summary"):
        said = item.get(name)
        chars += len(said) if isinstance(said, str) else read_parts(prompt, said)
        chars += written(said) if isinstance(said, Mapping) else 0
    return chars
