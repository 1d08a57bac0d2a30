"""OpenAI's whole answers: parsed from backends, rendered for clients."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from struct import error, pack
from typing import Any

import msgspec

from sutazai.fleet.errors import BadInput, BadPeer
from sutazai.gateway.dialects.fields import read_object, read_objects, read_text
from sutazai.gateway.dialects.neutral import (
    NO_USAGE,
    Answer,
    Delta,
    End,
    Envelope,
    Form,
    JsonObject,
    Timings,
    ToolCall,
    Usage,
    Vectors,
)
from sutazai.gateway.dialects.openai import logprobs
from sutazai.gateway.dialects.openai.requests import tool_call_body
from sutazai.gateway.dialects.reading import read_answer
from sutazai.gateway.dialects.streams import backend_speaks, count, text
from sutazai.gateway.failures import BackendFailed, inband_failure

OBJECTS = {Form.CHAT: "chat.completion", Form.COMPLETION: "text_completion"}


class _Details(msgspec.Struct, frozen=True, gc=False):
    cached_tokens: int = 0


class _Tokens(msgspec.Struct, frozen=True, gc=False):
    prompt_tokens: int
    completion_tokens: int
    prompt_tokens_details: _Details | None = None


class _Choice(msgspec.Struct, frozen=True, gc=False):
    """Any object."""


class _Usual(msgspec.Struct, frozen=True, gc=False):
    """What `check` looks at, as nearly all answers have it."""

    choices: list[_Choice]
    usage: _Tokens
    error: None = None


_read_usual = msgspec.json.Decoder(_Usual).decode


def usage_of(form: Form, data: bytes) -> Usage:
    """As `check`, of an answer as it came: little of a usual one is made into objects."""
    if form in OBJECTS:
        try:
            str(data, "utf-8")  # what is passed over is not looked at
            usual = _read_usual(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        else:
            if usual.choices:
                tokens = usual.usage
                details = tokens.prompt_tokens_details
                cached = 0 if details is None else details.cached_tokens
                return Usage(tokens.prompt_tokens, tokens.completion_tokens, cached)
    return check(form, read_answer(data))


def check(form: Form, value: JsonObject) -> Usage:
    """The usage of a whole answer. Raises BackendFailed or BadPeer if it is no answer."""
    if "error" in value:
        raise_inband(value)
    if form in OBJECTS:
        choices = value.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            raise BadPeer("the backend's answer has no choices")
    elif not isinstance(value.get("data"), list):
        raise BadPeer("the backend's answer has no embeddings")
    return read_usage(value)


def raise_inband(value: JsonObject) -> None:
    """Raises BackendFailed where ``value`` is an error, whatever status it came with."""
    if value.get("error"):
        raise BackendFailed(inband_failure(value["error"]))


def parse(form: Form, value: JsonObject) -> Answer | Vectors:
    """A backend's whole answer. Raises BackendFailed or BadPeer."""
    with backend_speaks:
        usage = check(form, value)
        if form is Form.EMBEDDING:
            return Vectors(tuple(map(_vector, value["data"])), usage)
        return _answer(form, value, usage)


def _answer(form: Form, value: JsonObject, usage: Usage) -> Answer:
    """Of a ``value`` that was checked."""
    choice = value["choices"][0]
    reason = text(choice.get("finish_reason")) or "stop"
    delta = Delta(text(choice.get("text")))
    if form is Form.CHAT:
        delta = _message(choice.get("message"))
    delta = delta._replace(logprobs=logprobs.read(choice.get("logprobs")))
    return Answer(delta, End(reason, usage, read_timings(value)))


def read_usage(value: JsonObject) -> Usage:
    """The usage that a frame tells; llama.cpp tells it in ``timings`` where it was not asked."""
    usage = value.get("usage")
    if isinstance(usage, dict):
        details = usage.get("prompt_tokens_details")
        cached = count(details.get("cached_tokens")) if isinstance(details, dict) else 0
        prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
        if not (isinstance(prompt, int) and isinstance(completion, int)):
            prompt, completion = count(prompt), count(completion)
        return Usage(prompt, completion, cached)
    timings = value.get("timings")
    if isinstance(timings, dict):
        cached = count(timings.get("cache_n"))
        return Usage(
            count(timings.get("prompt_n")) + cached, count(timings.get("predicted_n")), cached
        )
    return NO_USAGE


def read_timings(value: JsonObject) -> Timings:
    """llama.cpp's measurements, where the backend is one."""
    timings = value.get("timings")
    if not isinstance(timings, dict):
        return Timings()
    return Timings(0.0, _seconds(timings.get("prompt_ms")), _seconds(timings.get("predicted_ms")))


def _seconds(milliseconds: Any) -> float:
    return milliseconds / 1000 if isinstance(milliseconds, int | float) else 0.0


def _message(value: Any) -> Delta:
    message = read_object(value, "the answer's message")
    calls = read_objects(message.get("tool_calls"), "the answer's tool_calls")
    return Delta(
        text=read_words(message),
        thinking=read_thinking(message),
        tool_calls=tuple(map(_tool_call, calls)),
    )


def read_words(message: JsonObject) -> str:
    """What the model said. What it says to refuse has a field of its own here and nowhere else."""
    said = message.get("content") or message.get("refusal")
    return said if isinstance(said, str) else _texts(said)


def _texts(parts: Any) -> str:
    """Some servers give an answer in parts."""
    found = parts if isinstance(parts, list) else ()
    return "".join([text(part.get("text")) for part in found if isinstance(part, dict)])


def read_thinking(message: JsonObject) -> str:
    """What the model thought; servers differ in the field's name."""
    return text(message.get("reasoning_content")) or text(message.get("reasoning"))


def _tool_call(value: JsonObject) -> ToolCall:
    function = read_object(value.get("function"), "function")
    name = read_text(function.get("name"), "function.name")
    return ToolCall(name, text(function.get("arguments")) or "{}", text(value.get("id")))


def _vector(value: Any) -> tuple[float, ...]:
    vector = read_object(value, "an embedding").get("embedding")
    if not isinstance(vector, list):
        raise BadPeer("the backend's answer has an embedding that is no list of numbers")
    return tuple(vector)


# rendering


def render(
    form: Form, answer: Answer | Vectors, envelope: Envelope, *, base64: bool = False
) -> dict[str, Any]:
    """The whole answer as an OpenAI client expects it; ``base64`` is how it wants vectors."""
    if isinstance(answer, Vectors):
        return _vectors_body(answer, envelope, base64)
    chat = form is Form.CHAT
    body = _message_body(answer.delta, envelope) if chat else {"text": answer.delta.text}
    told = logprobs.render(form, answer.delta.logprobs)
    choice = {"index": 0, **body, "logprobs": told, "finish_reason": reason_of(answer)}
    return {
        "id": envelope.id,
        "object": OBJECTS[form],
        "created": int(envelope.created),
        "model": envelope.model,
        "choices": [choice],
        "usage": usage_body(answer.end.usage),
    }


def reason_of(answer: Answer) -> str:
    """Dialects without a word for it say `stop` where the model calls a tool."""
    called = answer.delta.tool_calls and answer.end.reason == "stop"
    return "tool_calls" if called else answer.end.reason


def usage_body(usage: Usage) -> dict[str, Any]:
    cached = {"prompt_tokens_details": {"cached_tokens": usage.cached_tokens}}
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        **(cached if usage.cached_tokens else {}),
    }


def call_id(call: ToolCall, envelope: Envelope, index: int) -> str:
    """The id of an answer's call; one that a backend did not give must be like no other in the
    conversation, which later has the calls of many answers."""
    return call.id or f"call_{envelope.id[-24:]}_{index}"


def _message_body(delta: Delta, envelope: Envelope) -> dict[str, Any]:
    calls = [
        {**tool_call_body(call), "id": call_id(call, envelope, index)}
        for index, call in enumerate(delta.tool_calls)
    ]
    message = {
        "role": "assistant",
        "content": None if calls and not delta.text else delta.text,
        **({"reasoning_content": delta.thinking} if delta.thinking else {}),
        **({"tool_calls": calls} if calls else {}),
    }
    return {"message": message}


def _vectors_body(answer: Vectors, envelope: Envelope, base64: bool) -> dict[str, Any]:
    vectors = map(_in_base64, answer.vectors) if base64 else answer.vectors
    data = [
        {"object": "embedding", "index": index, "embedding": vector}
        for index, vector in enumerate(vectors)
    ]
    tokens = answer.usage.prompt_tokens
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": envelope.model, "usage": usage}


def _in_base64(vector: Sequence[float]) -> str:
    """As 32-bit floating-point numbers, little-endian. Raises BadInput."""
    try:
        return b64encode(pack(f"<{len(vector)}f", *vector)).decode()
    except (error, OverflowError) as cause:
        raise BadInput("an embedding holds what is no number") from cause
