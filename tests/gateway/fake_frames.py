"""What every API of the fake LLM server has: the frames of an answer, and what it is made of."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sutazai.wire import sse_event

ToolCalls = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Said:
    """A whole answer. ``usage``: prompt and completion tokens, None where they are not told."""

    tokens: Sequence[str]
    thinking: str = ""
    tool_calls: ToolCalls = ()
    reason: str = "stop"
    usage: tuple[int, int] | None = None

    @property
    def text(self) -> str:
        return "".join(self.tokens)


class Frames(ABC):
    """The frames of one answer to ``body``."""

    content_type = "text/event-stream"
    embeds = False

    def __init__(self, path: str, body: dict[str, Any]) -> None:
        self.path = path
        self.body = body
        self.model = str(body.get("model"))

    @property
    def streamed(self) -> bool:
        return bool(self.body.get("stream")) and not self.embeds

    def begin(self) -> Iterator[bytes]:
        """What comes before the first token."""
        return iter(())

    @abstractmethod
    def piece(self, token: str) -> bytes:
        """One token of the answer."""

    @abstractmethod
    def thought(self, thinking: str) -> bytes:
        """What the model thinks."""

    @abstractmethod
    def end(self, said: Said) -> Iterator[bytes]:
        """What comes after the last token of ``said``."""

    @abstractmethod
    def whole(self, said: Said) -> dict[str, Any]:
        """The answer without a stream."""

    @abstractmethod
    def error(self, message: str) -> dict[str, Any]:
        """An error's body."""

    def error_frame(self, message: str) -> bytes:
        return sse(self.error(message))

    def nonsense(self) -> bytes:
        return b"data: {nonsense\n\n"

    def prompt(self) -> str:
        """The text that the model reads."""
        return "\n".join(_texts(self.body))

    def words(self) -> str:
        """The newest words, by which a call is found in the ledger."""
        texts = _texts(self.body)
        return texts[-1] if texts else ""

    def most(self) -> int | None:
        """Most tokens of the answer."""
        for name in ("max_completion_tokens", "max_tokens", "max_output_tokens"):
            if isinstance(self.body.get(name), int):
                return int(self.body[name])
        return None


def _texts(body: dict[str, Any]) -> list[str]:
    texts = []
    for name in ("system", "instructions", "prompt", "input", "messages"):
        value = body.get(name)
        for item in value if isinstance(value, list) else [value]:
            content = item.get("content") if isinstance(item, dict) else item
            if isinstance(content, str):
                texts.append(content)
            elif content is not None:
                texts.append(json.dumps(content))
    return texts


def sse(value: dict[str, Any], event: str | None = None) -> bytes:
    return sse_event(compact(value), event)


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def logprob(token: str) -> dict[str, Any]:
    """A made-up probability of ``token``, with one alternative."""
    entry = {"token": token, "logprob": -0.5, "bytes": list(token.encode())}
    other = {"token": "?", "logprob": -1.5, "bytes": [63]}
    return {**entry, "top_logprobs": [entry, other]}
