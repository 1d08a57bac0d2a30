"""Streamed answers as bytes: relayed, translated, cut anywhere, broken in every way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sutazai.fleet.declared import Dialect
from sutazai.fleet.errors import BadPeer
from sutazai.gateway.dialects import CODECS
from sutazai.gateway.dialects.neutral import Chat, Envelope, Form, Message, Usage
from sutazai.gateway.dialects.streams import Pipe, Translation
from sutazai.gateway.failures import BackendFailed, failure_of

OPENAI, OLLAMA = Dialect.OPENAI, Dialect.OLLAMA
ENVELOPE = Envelope("call-1", "m", 1000.0)
CALL = Chat((Message("user", "hi"),), stream=True, include_usage=True)


def frames(*values: Any) -> bytes:
    return b"".join(
        b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"
        for value in values
    )


def lines(*values: Any) -> bytes:
    return b"".join(json.dumps(value, ensure_ascii=False).encode() + b"\n" for value in values)


def delta(**words: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": words, "finish_reason": None}]}


def finish(reason: str = "stop") -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


def piece(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "m", "message": {"role": "assistant", "content": text, **more}, "done": False}


def last(reason: str = "stop") -> dict[str, Any]:
    counts = {"prompt_eval_count": 5, "eval_count": 2, "load_duration": 1, "eval_duration": 2}
    return {**piece(""), "done": True, "done_reason": reason, **counts}


USAGE = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}
OPENAI_STREAM = frames(delta(content="Grüß"), delta(content=" Gott"), finish(), USAGE, b"[DONE]")
OLLAMA_STREAM = lines(piece("Grüß"), piece(" Gott"), last())
STREAMS = {OPENAI: OPENAI_STREAM, OLLAMA: OLLAMA_STREAM}


def pipe(backend: Dialect, client: Dialect) -> Pipe:
    if backend is client:
        return CODECS[backend].relay(Form.CHAT)
    encoder = CODECS[client].encoder(Form.CHAT, ENVELOPE, CALL)
    return Translation(CODECS[backend].decoder(Form.CHAT), encoder)


def run(made: Pipe, data: bytes, step: int) -> bytes:
    """Feeds ``data`` in pieces of ``step`` bytes, as the edge does: not beyond an error."""
    out = b""
    for start in range(0, len(data), step):
        if made.error is None:
            out += made.feed(data[start : start + step], 1.0)
    return out if made.error is not None else out + made.finish(2.0)


def said(client: Dialect, data: bytes) -> str:
    """The text that a client reads out of ``data``."""
    if client is OLLAMA:
        return "".join(json.loads(line)["message"]["content"] for line in data.splitlines())
    texts = []
    for block in data.decode().split("\n\n"):
        if block and block != "data: [DONE]":
            choices = json.loads(block.removeprefix("data: "))["choices"]
            texts += [choice["delta"].get("content") or "" for choice in choices]
    return "".join(texts)


@pytest.mark.parametrize("client", [OPENAI, OLLAMA])
@pytest.mark.parametrize("backend", [OPENAI, OLLAMA])
@pytest.mark.parametrize("step", [1, 2, 7, 64, 10_000])
def test_a_stream_cut_anywhere_says_the_same(backend: Dialect, client: Dialect, step: int) -> None:
    made = pipe(backend, client)
    out = run(made, STREAMS[backend], step)
    assert made.error is None and made.ended
    assert said(client, out) == "Grüß Gott"
    assert made.usage == Usage(5, 2)


@pytest.mark.parametrize("dialect", [OPENAI, OLLAMA])
@given(step=st.integers(1, 80))
@settings(max_examples=25, deadline=None)
def test_the_same_dialect_is_relayed_byte_for_byte(dialect: Dialect, step: int) -> None:
    assert run(pipe(dialect, dialect), STREAMS[dialect], step) == STREAMS[dialect]


@pytest.mark.parametrize("client", [OPENAI, OLLAMA])
@pytest.mark.parametrize("backend", [OPENAI, OLLAMA])
def test_every_early_end_is_an_error(backend: Dialect, client: Dialect) -> None:
    whole = STREAMS[backend]
    # From the frame that tells the reason on, an OpenAI stream counts as complete.
    until = whole.index(b'"stop"') if backend is OPENAI else len(whole) - 2
    for end in range(until):
        made = pipe(backend, client)
        out = run(made, whole[:end], 16)
        assert isinstance(made.error, BadPeer), f"an end after {end} bytes went unnoticed"
        assert "Grüß Gott".startswith(said(client, out))


@pytest.mark.parametrize("client", [OPENAI, OLLAMA])
@pytest.mark.parametrize(
    ("backend", "error"),
    [
        (OPENAI, frames({"error": {"message": "out of memory", "code": 500}})),
        (OPENAI, frames({"error": "out of memory"})),
        (OLLAMA, lines({"error": "out of memory"})),
    ],
)
@pytest.mark.parametrize("before", [0, 1])
def test_an_error_within_the_stream_is_kept_and_nothing_before_it_lost(
    backend: Dialect, client: Dialect, error: bytes, before: int
) -> None:
    begin = {OPENAI: frames(delta(content="Gr")), OLLAMA: lines(piece("Gr"))}[backend]
    made = pipe(backend, client)
    out = run(made, begin * before + error, 10_000)
    assert isinstance(made.error, BackendFailed)
    assert failure_of(made.error).message == "out of memory"
    assert failure_of(made.error).status in (500, 502)
    assert said(client, out) == "Gr" * before


@pytest.mark.parametrize("client", [OPENAI, OLLAMA])
@pytest.mark.parametrize("head", [b"error: ", b"event: error\ndata: "], ids=["older", "event"])
def test_errors_as_some_servers_send_them_are_seen(client: Dialect, head: bytes) -> None:
    for step in (3, 10_000):
        made = pipe(OPENAI, client)
        data = frames(delta(content="a")) + head + b'{"code": 500, "message": "no"}\n\n'
        assert said(client, run(made, data, step)) == "a"
        assert isinstance(made.error, BackendFailed) and made.error.failure.status == 500


@pytest.mark.parametrize("client", [OPENAI, OLLAMA])
@pytest.mark.parametrize(
    ("backend", "nonsense"),
    [
        (OPENAI, b"data: {oops\n\n"),
        (OPENAI, b"data: 7\n\n"),
        (OLLAMA, b"{oops\n"),
        (OLLAMA, b"<html>\n"),
    ],
)
def test_nonsense_is_an_error(backend: Dialect, client: Dialect, nonsense: bytes) -> None:
    made = pipe(backend, client)
    run(made, nonsense + STREAMS[backend], 10_000)
    assert isinstance(made.error, BadPeer)


@pytest.mark.parametrize("backend", [OPENAI, OLLAMA])
def test_words_that_look_like_frames_are_only_words(backend: Dialect) -> None:
    text = '{"error": "x", "done":true, "usage":{"prompt_tokens": 9}} data: [DONE]'
    stream = {
        OPENAI: frames(delta(content=text), finish(), USAGE, b"[DONE]"),
        OLLAMA: lines(piece(text), last()),
    }[backend]
    for client in (OPENAI, OLLAMA):
        made = pipe(backend, client)
        assert said(client, run(made, stream, 5)) == text
        assert made.error is None and made.usage == Usage(5, 2)


def test_tool_calls_in_pieces_reach_ollama_whole() -> None:
    def part(index: int, **call: Any) -> dict[str, Any]:
        return delta(tool_calls=[{"index": index, **call}])

    stream = frames(
        part(0, id="a", function={"name": "f", "arguments": ""}),
        part(0, function={"arguments": '{"x":'}),
        part(1, id="b", function={"name": "g", "arguments": "{}"}),
        part(0, function={"arguments": " 1}"}),
        finish("tool_calls"),
        b"[DONE]",
    )
    out = run(pipe(OPENAI, OLLAMA), stream, 9).splitlines()
    calls = json.loads(out[-2])["message"]["tool_calls"]
    assert calls == [
        {"id": "a", "function": {"name": "f", "arguments": {"x": 1}}},
        {"id": "b", "function": {"name": "g", "arguments": {}}},
    ]
    assert json.loads(out[-1])["done_reason"] == "stop"


def test_tool_calls_of_ollama_reach_openai_with_ids_and_a_reason() -> None:
    call = {"function": {"name": "f", "arguments": {"ä": 1}}}
    out = run(pipe(OLLAMA, OPENAI), lines(piece("", tool_calls=[call]), last()), 9).decode()
    first, end, usage, done, _ = out.split("\n\n")
    (told,) = json.loads(first[6:])["choices"][0]["delta"]["tool_calls"]
    assert told["index"] == 0 and told["id"] and told["type"] == "function"
    assert json.loads(told["function"]["arguments"]) == {"ä": 1}
    assert json.loads(end[6:])["choices"][0]["finish_reason"] == "tool_calls"
    assert json.loads(usage[6:])["usage"]["total_tokens"] == 7
    assert done == "data: [DONE]"


def test_arguments_that_are_no_json_are_the_backends_fault() -> None:
    broken = [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{oops"}}]
    made = pipe(OPENAI, OLLAMA)
    run(made, frames(delta(tool_calls=broken), finish("tool_calls"), b"[DONE]"), 10_000)
    assert isinstance(made.error, BadPeer)


def test_thinking_has_its_own_field_in_each_dialect() -> None:
    to_ollama = run(
        pipe(OPENAI, OLLAMA), frames(delta(reasoning_content="hm"), finish(), b"[DONE]"), 99
    )
    assert json.loads(to_ollama.splitlines()[0])["message"]["thinking"] == "hm"
    to_openai = run(pipe(OLLAMA, OPENAI), lines(piece("", thinking="hm"), last()), 99)
    first = json.loads(to_openai.split(b"\n\n")[0][6:])
    assert first["choices"][0]["delta"] == {"role": "assistant", "reasoning_content": "hm"}


def test_what_llama_cpp_counts_is_used_where_no_usage_was_asked_for() -> None:
    timings = {"cache_n": 30, "prompt_n": 1, "predicted_n": 3, "predicted_ms": 250.0}
    stream = frames(delta(content="a"), {**finish("length"), "timings": timings}, b"[DONE]")
    relayed = pipe(OPENAI, OPENAI)
    run(relayed, stream, 99)
    assert relayed.usage == Usage(31, 3, 30)
    end = json.loads(run(pipe(OPENAI, OLLAMA), stream, 99).splitlines()[-1])
    assert (end["done_reason"], end["eval_duration"]) == ("length", 250_000_000)


def test_without_any_count_a_frame_counts_as_a_token() -> None:
    made = pipe(OPENAI, OPENAI)
    run(made, frames(delta(content="a"), delta(content="b"), finish(), b"[DONE]"), 99)
    assert made.usage == Usage(0, 2)


def test_a_stream_without_the_last_frame_but_with_a_reason_is_complete() -> None:
    for client in (OPENAI, OLLAMA):
        made = pipe(OPENAI, client)
        out = run(made, frames(delta(content="a"), finish("length")), 99)
        assert made.error is None and said(client, out) == "a"


@pytest.mark.parametrize("client", [OPENAI, OLLAMA])
@pytest.mark.parametrize("backend", [OPENAI, OLLAMA])
@given(data=st.binary(max_size=300), step=st.integers(1, 50))
@settings(max_examples=60, deadline=None)
def test_no_bytes_whatever_break_a_pipe(
    backend: Dialect, client: Dialect, data: bytes, step: int
) -> None:
    made = pipe(backend, client)
    run(made, data, step)
    assert made.error is not None or made.ended


FIELDS = [
    "choices",
    "delta",
    "message",
    "tool_calls",
    "function",
    "index",
    "usage",
    "timings",
    "done",
    "error",
    "content",
    "arguments",
    "finish_reason",
    "prompt_ms",
]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("client", [OPENAI, OLLAMA])
@pytest.mark.parametrize("backend", [OPENAI, OLLAMA])
@given(value=json_values)
@settings(max_examples=150, deadline=None)
def test_no_frame_of_any_shape_breaks_a_pipe(backend: Dialect, client: Dialect, value: Any) -> None:
    made = pipe(backend, client)
    run(made, frames(value) if backend is OPENAI else lines(value), 10_000)
    assert made.error is not None or made.ended
