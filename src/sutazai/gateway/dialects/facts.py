"""What can be told of a call's prompt at a glance, before anything is parsed.

For estimates of length and for the choice of a slot: one pass over the body, which takes whatever
shape it finds and never complains (that is for the parsers, and for the backend).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from math import isfinite
from typing import Any, NamedTuple

from sutazai.gateway.dialects.neutral import JsonObject

CHARS_OF_TOKEN = 4
"""What a token counts where a prompt comes as tokens."""

_to_text = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class PromptFacts(NamedTuple):
    """A call at a glance. (A tuple, as every request has one.)

    Args:
        chars: characters of all text in the prompt, tools included.
        images: pictures in it.
        system: the system text at its beginning.
        turns: messages beside those of the system.
        max_tokens: most tokens of the answer.
        num_ctx: tokens of context that an Ollama client wants.
        temperature: as asked for.
        seed: as asked for.
        deterministic: whether the same call must get the same answer.
    """

    chars: int = 0
    images: int = 0
    system: str = ""
    turns: int = 0
    max_tokens: int | None = None
    num_ctx: int | None = None
    temperature: float | None = None
    seed: int | None = None
    deterministic: bool = False


class Kind(IntEnum):
    """Who speaks in a turn: who set it up, the user, the model, a tool that the model called."""

    SYSTEM = 0
    USER = 1
    MODEL = 2
    TOOL = 3


_SYSTEM = Kind.SYSTEM


class Turn(NamedTuple):
    """One item of a conversation, and how long it is."""

    kind: Kind
    chars: int


@dataclass(slots=True)
class Prompt:
    """A prompt as it is read.

    Args:
        fixed: characters outside of the turns.
        turns: one for each item of the list that the body has under ``key``.
        texts: characters of each text that is a prompt of its own (to be embedded).
    """

    key: str = ""
    fixed: int = 0
    turns: list[Turn] = field(default_factory=list)
    texts: list[int] = field(default_factory=list)
    images: int = 0
    system: str = ""

    @property
    def chars(self) -> int:
        return self.fixed + sum([chars for _, chars in self.turns]) + sum(self.texts)

    def facts(
        self,
        options: JsonObject,
        *,
        max_tokens: Any = None,
        num_ctx: Any = None,
        choices: Any = None,
    ) -> PromptFacts:
        """All together, with ``temperature`` and ``seed`` out of ``options``."""
        temperature, seed = number(options.get("temperature")), whole(options.get("seed"))
        return PromptFacts(
            chars=self.chars,
            images=self.images,
            system=self.system,
            turns=sum([turn.kind is not _SYSTEM for turn in self.turns]),
            max_tokens=whole(max_tokens, least=0),
            num_ctx=whole(num_ctx, least=1),
            temperature=temperature,
            seed=seed,
            deterministic=(temperature == 0 or seed is not None) and choices in (None, 1),
        )


# reading


_KINDS = {
    "system": Kind.SYSTEM,
    "developer": Kind.SYSTEM,
    "assistant": Kind.MODEL,
    "tool": Kind.TOOL,
    "function": Kind.TOOL,
}


def kind_of(role: Any) -> Kind:
    """Who speaks under this name; whoever is not known is a user."""
    return _KINDS.get(role, Kind.USER) if isinstance(role, str) else Kind.USER


def read_messages(prompt: Prompt, messages: Any) -> None:
    """Adds the turns of a chat, as OpenAI and Ollama have them, under the key ``messages``."""
    prompt.key = "messages"
    turns = prompt.turns
    for message in items(messages):
        kind = kind_of(message.get("role"))
        content = message.get("content")
        chars = len(content) if isinstance(content, str) else read_parts(prompt, content)
        if content is None or len(message) > 2:  # more than a role and words
            chars += _beside_words(prompt, message)
        if kind is _SYSTEM:
            note_system(prompt, content)
        turns.append(Turn(kind, chars))


def read_parts(prompt: Prompt, content: Any) -> int:
    """The characters of what is said in parts; notes the pictures among them."""
    chars = 0
    for part in items(content):
        if "image" in str(part.get("type")):
            prompt.images += 1
        else:
            chars += length(part.get("text"))
    return chars


def note_system(prompt: Prompt, content: Any) -> None:
    """Notes a text of the system, as long as nobody else has spoken."""
    if all(turn.kind is Kind.SYSTEM for turn in prompt.turns):
        said = content if isinstance(content, str) else text_of(content)
        prompt.system = f"{prompt.system}\n{said}" if prompt.system else said


def text_of(content: Any) -> str:
    """The words of what is said in parts."""
    texts = [part.get("text") for part in items(content)]
    return "\n".join([text for text in texts if isinstance(text, str)])


def _beside_words(prompt: Prompt, message: JsonObject) -> int:
    images = message.get("images")
    if isinstance(images, list):
        prompt.images += len(images)
    thinking = message.get("thinking") or message.get("reasoning_content")
    return length(thinking) + sum([_of_call(call) for call in items(message.get("tool_calls"))])


def _of_call(call: JsonObject) -> int:
    function = call.get("function")
    if not isinstance(function, Mapping):
        return 0
    return length(function.get("name")) + written(function.get("arguments"))


def items(value: Any) -> Iterable[JsonObject]:
    """The objects of a list, with an empty one in the place of whatever else is in it."""
    if not isinstance(value, list):
        return ()
    return [item if isinstance(item, dict) else {} for item in value]


def length(value: Any) -> int:
    return len(value) if isinstance(value, str) else 0


def written(value: Any) -> int:
    """The characters of a text, or of a value that stands as JSON in the prompt."""
    if isinstance(value, str):
        return len(value)
    if not value:
        return 0
    try:
        return len(_to_text(value))
    except RecursionError:  # nested deeper than can be written; the backend will say so
        return 0


def length_of_texts(value: Any) -> list[int]:
    """The characters of each of the texts; of tokens, as many as they would be."""
    if isinstance(value, str):
        return [len(value)]
    if not isinstance(value, list):
        return []
    if value and isinstance(value[0], int):
        return [len(value) * CHARS_OF_TOKEN]
    return [
        len(text) * CHARS_OF_TOKEN if isinstance(text, list) else length(text) for text in value
    ]


def number(value: Any) -> float | None:
    return value if type(value) is int or type(value) is float else None


def whole(value: Any, *, least: int | None = None) -> int | None:
    """A whole number, not below ``least``."""
    if type(value) is not int:
        if type(value) is not float or not isfinite(value):
            return None
        value = int(value)
    return None if least is not None and value < least else value
