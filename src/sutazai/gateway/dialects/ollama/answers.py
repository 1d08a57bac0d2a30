"""Ollama's whole answers: parsed from backends, rendered for clients."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from sutazai.fleet.errors import BadPeer
from sutazai.gateway.dialects.fields import read_object, read_objects
from sutazai.gateway.dialects.neutral import (
    Answer,
    Delta,
    End,
    Envelope,
    Form,
    JsonObject,
    Timings,
    Usage,
    Vectors,
)
from sutazai.gateway.dialects.ollama.requests import tool_call, tool_call_body
from sutazai.gateway.dialects.reading import read_answer
from sutazai.gateway.dialects.streams import backend_speaks, count, text
from sutazai.gateway.failures import BackendFailed, inband_failure

_NS = 1_000_000_000
_VECTORS = {Form.EMBEDDING: "embeddings", Form.SINGLE_EMBEDDING: "embedding"}


class _Usual(msgspec.Struct, frozen=True, gc=False):
    """What `check` looks at, as nearly all answers with a text have it."""

    done: bool
    prompt_eval_count: int = 0
    eval_count: int = 0
    error: None = None


_read_usual = msgspec.json.Decoder(_Usual).decode


def usage_of(form: Form, data: bytes) -> Usage:
    """As `check`, of an answer as it came: little of a usual one is made into objects."""
    if form not in _VECTORS:
        try:
            str(data, "utf-8")  # what is passed over is not looked at
            usual = _read_usual(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        else:
            if usual.done:
                return Usage(usual.prompt_eval_count, usual.eval_count)
    return check(form, read_answer(data))


def check(form: Form, value: JsonObject) -> Usage:
    """The usage of a whole answer. Raises BackendFailed or BadPeer if it is no answer."""
    if "error" in value:
        raise_inband(value)
    vectors = _VECTORS.get(form)
    if vectors is None:
        if not value.get("done"):
            raise BadPeer("the backend's answer is not complete")
    elif not isinstance(value.get(vectors), list):
        raise BadPeer(f"the backend's answer has no {vectors}")
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
            return Vectors(tuple(map(_vector, value["embeddings"])), usage)
        return Answer(read_delta(form, value), read_end(value))


def read_delta(form: Form, value: JsonObject) -> Delta:
    """The piece of the answer that a frame holds. Raises BadInput."""
    told = value.get("logprobs")
    logprobs = () if told is None else read_objects(told, "logprobs")
    if form is Form.COMPLETION:
        return Delta(text(value.get("response")), text(value.get("thinking")), (), logprobs)
    message = read_object(value.get("message"), "message")
    said, thought = text(message.get("content")), text(message.get("thinking"))
    calls = message.get("tool_calls")
    if calls is None:
        return Delta(said, thought, (), logprobs)
    return Delta(said, thought, tuple(map(tool_call, read_objects(calls, "tool_calls"))), logprobs)


def read_end(value: JsonObject) -> End:
    timings = Timings(
        load=count(value.get("load_duration")) / _NS,
        prompt=count(value.get("prompt_eval_duration")) / _NS,
        completion=count(value.get("eval_duration")) / _NS,
    )
    return End(text(value.get("done_reason")) or "stop", read_usage(value), timings)


def read_usage(value: JsonObject) -> Usage:
    return Usage(count(value.get("prompt_eval_count")), count(value.get("eval_count")))


def _vector(value: Any) -> tuple[float, ...]:
    if not isinstance(value, list):
        raise BadPeer("the backend's answer has an embedding that is no list of numbers")
    return tuple(value)


# rendering


def render(
    form: Form, answer: Answer | Vectors, envelope: Envelope, elapsed: float
) -> dict[str, Any]:
    """The whole answer as an Ollama client expects it."""
    if isinstance(answer, Vectors):
        if form is Form.SINGLE_EMBEDDING:
            return {"embedding": answer.vectors[0] if answer.vectors else []}
        return _vectors_body(answer, envelope, elapsed)
    return {
        **delta_body(form, answer.delta, envelope, elapsed),
        **end_body(answer.end, elapsed),
    }


def loaded(form: Form, body: JsonObject, envelope: Envelope) -> dict[str, Any]:
    """The answer to a call that asks for no tokens (see `requests.only_loads`)."""
    if form is Form.SINGLE_EMBEDDING:
        return {"embedding": []}
    reason = "unload" if body.get("keep_alive") in (0, "0", "0s") else "load"
    return {**delta_body(form, Delta(), envelope, 0.0), "done": True, "done_reason": reason}


def delta_body(form: Form, delta: Delta, envelope: Envelope, elapsed: float) -> dict[str, Any]:
    """A frame with a piece of the answer, not the last one."""
    words = _words(form, delta)
    created = timestamp(envelope.created + elapsed)
    told = {"logprobs": list(delta.logprobs)} if delta.logprobs else {}
    return {"model": envelope.model, "created_at": created, **words, "done": False, **told}


def end_body(end: End, elapsed: float) -> dict[str, Any]:
    """What the last frame has beside its words; durations in nanoseconds."""
    return {
        "done": True,
        "done_reason": "stop" if end.reason == "tool_calls" else end.reason,
        "total_duration": int(elapsed * _NS),
        "load_duration": int(end.timings.load * _NS),
        "prompt_eval_count": end.usage.prompt_tokens,
        "prompt_eval_duration": int(end.timings.prompt * _NS),
        "eval_count": end.usage.completion_tokens,
        "eval_duration": int(end.timings.completion * _NS),
    }


def timestamp(seconds: float) -> str:
    """A time as Go writes it, to the millisecond."""
    whole = int(seconds)
    return _second(whole) + _MILLISECONDS[int((seconds - whole) * 1000)]


_MILLISECONDS = tuple([f".{count:03}000Z" for count in range(1000)])


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    # Every frame has a time, and many frames the same second.
    return datetime.fromtimestamp(seconds, UTC).isoformat().removesuffix("+00:00")


def _words(form: Form, delta: Delta) -> dict[str, Any]:
    thinking = {"thinking": delta.thinking} if delta.thinking else {}
    if form is Form.COMPLETION:
        return {"response": delta.text, **thinking}
    calls = [tool_call_body(call) for call in delta.tool_calls]
    message = {"role": "assistant", "content": delta.text, **thinking}
    return {"message": {**message, **({"tool_calls": calls} if calls else {})}}


def _vectors_body(answer: Vectors, envelope: Envelope, elapsed: float) -> dict[str, Any]:
    return {
        "model": envelope.model,
        "embeddings": [list(vector) for vector in answer.vectors],
        "total_duration": int(elapsed * _NS),
        "load_duration": 0,
        "prompt_eval_count": answer.usage.prompt_tokens,
    }
