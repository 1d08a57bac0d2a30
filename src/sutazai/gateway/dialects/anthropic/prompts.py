"""What can be told of Anthropic's prompts at a glance (see `facts`)."""

from __future__ import annotations

from typing import Any

from sutazai.gateway.dialects.facts import (
    Kind,
    Prompt,
    PromptFacts,
    Turn,
    items,
    kind_of,
    length,
    text_of,
    written,
)
from sutazai.gateway.dialects.neutral import JsonObject


def facts(body: JsonObject) -> PromptFacts:
    """A call at a glance."""
    return read(body).facts(body, max_tokens=body.get("max_tokens"))


def read(body: JsonObject) -> Prompt:
    """The prompt in ``body``."""
    system = body.get("system")
    said = system if isinstance(system, str) else text_of(system)
    prompt = Prompt(key="messages", fixed=len(said) + written(body.get("tools")), system=said)
    for message in items(body.get("messages")):
        content = message.get("content")
        kind = Kind.TOOL if _has_results(content) else kind_of(message.get("role"))
        prompt.turns.append(Turn(kind, _length_of(prompt, content)))
    return prompt


def _has_results(content: Any) -> bool:
    """Whether what stands in the user's place is what tools have answered."""
    return any(block.get("type") == "tool_result" for block in items(content))


def _length_of(prompt: Prompt, content: Any) -> int:
    if isinstance(content, str):
        return len(content)
    chars = 0
    for block in items(content):
        chars += _length_of_block(prompt, block)
        for inner in items(block.get("content")):  # of a tool's result
            chars += _length_of_block(prompt, inner)
    return chars


def _length_of_block(prompt: Prompt, block: JsonObject) -> int:
    if block.get("type") == "image":
        prompt.images += 1
        return 0
    said = sum([length(block.get(name)) for name in ("text", "thinking", "content", "name")])
    return said + written(block.get("input"))
