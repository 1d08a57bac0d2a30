"""One neutral form of LLM calls and answers, between the dialects.

A dialect parses what it hears into these shapes and renders these shapes into what it says; no
dialect knows another. What a dialect has and this form lacks is dropped when a call is translated,
and kept when client and backend speak the same dialect, for then bytes are relayed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

JsonObject = Mapping[str, Any]


class Form(StrEnum):
    """The kinds of endpoint that take calls of a model."""

    CHAT = "chat"
    COMPLETION = "completion"  # OpenAI's completions, Ollama's generate
    EMBEDDING = "embedding"
    SINGLE_EMBEDDING = "single-embedding"  # Ollama's older /api/embeddings: one text, one vector
    RESPONSES = "responses"  # OpenAI's
    MESSAGES = "messages"  # Anthropic's
    COUNT = "count"  # Anthropic's: how many tokens a call of MESSAGES would take


RELAYED_ONLY = frozenset({Form.RESPONSES, Form.MESSAGES, Form.COUNT})
"""Forms without a neutral form: backends of any dialect may have them, under the same path."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the model asks for. ``arguments`` is the text of a JSON object."""

    name: str
    arguments: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. ``images`` are in base64; a role ``tool`` answers the call ``call_id``."""

    role: str
    text: str = ""
    thinking: str = ""
    images: tuple[str, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    call_id: str = ""
    tool_name: str = ""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen; None leaves it to the backend. Named as in OpenAI's API."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repeat_penalty: float | None = None


@dataclass(frozen=True, slots=True)
class JsonFormat:
    """The answer must be JSON, and follow ``schema`` where there is one."""

    schema: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation to go on with.

    ``effort`` is how hard to think: none, minimal, low, medium, high. ``logprobs`` is the number
    of alternatives to tell for each token, nought for the token itself, None for nothing.
    """

    messages: tuple[Message, ...]
    stream: bool
    sampling: Sampling = Sampling()
    json_format: JsonFormat | None = None
    tools: tuple[JsonObject, ...] = ()
    tool_choice: str | JsonObject | None = None
    effort: str | None = None
    logprobs: int | None = None
    include_usage: bool = True


@dataclass(frozen=True, slots=True)
class Completion:
    """A bare text to go on with, no template around it; ``suffix`` is what must come after.

    ``logprobs`` as in `Chat`.
    """

    prompt: str
    stream: bool
    suffix: str = ""
    sampling: Sampling = Sampling()
    logprobs: int | None = None
    include_usage: bool = True


@dataclass(frozen=True, slots=True)
class Embedding:
    """Texts to embed. ``base64`` is how an OpenAI client wants to read the vectors."""

    inputs: tuple[str, ...]
    dimensions: int | None = None
    base64: bool = False


Call = Chat | Completion | Embedding


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens that a call took; ``cached_tokens`` of the prompt were not computed anew."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


NO_USAGE = Usage()
"""That of a call that took none, or of which nothing is known."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds that the backend says it took, nought where it does not say."""

    load: float = 0.0
    prompt: float = 0.0
    completion: float = 0.0


class Delta(NamedTuple):
    """A piece of an answer. Tool calls come whole.

    ``logprobs`` has an object for each token: token, logprob, bytes and top_logprobs (objects of
    the first three), in which the dialects agree.
    """

    text: str = ""
    thinking: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    logprobs: tuple[JsonObject, ...] = ()


@dataclass(frozen=True, slots=True)
class End:
    """The answer is complete. ``reason``: stop, length, tool_calls, content_filter."""

    reason: str
    usage: Usage = NO_USAGE
    timings: Timings = Timings()


Event = str | Delta | End
"""What streams are made of. A piece of text and nothing else, as nearly all are, is a ``str``."""


def said(delta: Delta) -> list[Event]:
    """What a piece of an answer says, as events: nothing, its text, or all of it."""
    if delta[1:] != _TEXT_ONLY:
        return [delta]
    return [delta.text] if delta.text else []


_TEXT_ONLY = Delta()[1:]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    delta: Delta
    end: End

    @property
    def usage(self) -> Usage:
        return self.end.usage


@dataclass(frozen=True, slots=True)
class Vectors:
    """The embeddings of the inputs, in their order."""

    vectors: tuple[tuple[float, ...], ...]
    usage: Usage = NO_USAGE


@dataclass(frozen=True, slots=True)
class Envelope:
    """What stands around an answer. ``created`` is in seconds since 1970."""

    id: str
    model: str
    created: float


def form_of(call: Call) -> Form:
    """The endpoint of a backend that takes ``call``."""
    if isinstance(call, Chat):
        return Form.CHAT
    return Form.COMPLETION if isinstance(call, Completion) else Form.EMBEDDING


@dataclass(frozen=True, slots=True)
class Model:
    """A model that a backend offers, or a tier, as lists show it.

    ``created`` is in seconds since 1970, ``size`` in bytes, ``context`` in tokens; nought where it
    is not known. ``entry`` is the backend's own words where it speaks Ollama.
    """

    name: str
    owner: str = ""
    created: float = 0.0
    size: int = 0
    parameters: int = 0
    context: int = 0
    entry: JsonObject | None = None
