"""Whole answers out of streams, and streams out of whole answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sutazai.fleet.declared import Dialect
from sutazai.fleet.errors import BadPeer
from sutazai.gateway.dialects import CODECS
from sutazai.gateway.dialects.collect import Collector, replay
from sutazai.gateway.dialects.neutral import (
    Answer,
    Chat,
    Delta,
    End,
    Envelope,
    Form,
    ToolCall,
    Usage,
)
from sutazai.gateway.failures import BackendFailed
from tests.gateway.fake_dialects import frames_for
from tests.gateway.fake_frames import Frames, Said

ENVELOPE = Envelope("call-1", "m", 1000.0)
CALL = Chat((), stream=True)
ARGUMENTS = {"city": "Zürich"}
SAID = Said(
    ("Grüß", " Gott"),
    thinking="hm",
    tool_calls=({"name": "look_up", "arguments": ARGUMENTS},),
    usage=(7, 4),
)
PATHS = {Dialect.OPENAI: "/v1/chat/completions", Dialect.OLLAMA: "/api/chat"}


def spoken(dialect: Dialect) -> Frames:
    body = {"model": "m", "logprobs": True, "stream_options": {"include_usage": True}}
    return frames_for(dialect, PATHS[dialect], body)


def streamed(dialect: Dialect) -> bytes:
    frames = spoken(dialect)
    words = b"".join(map(frames.piece, SAID.tokens))
    return frames.thought(SAID.thinking) + words + b"".join(frames.end(SAID))


def collected(dialect: Dialect, data: bytes, step: int = 10_000) -> Answer:
    collector = Collector(CODECS[dialect].decoder(Form.CHAT))
    for start in range(0, len(data), step):
        collector.feed(data[start : start + step])
    return collector.finish()


@pytest.mark.parametrize("step", [1, 7, 10_000])
@pytest.mark.parametrize("dialect", list(Dialect))
def test_a_streamed_answer_is_put_together_as_it_would_have_come(
    dialect: Dialect, step: int
) -> None:
    answer = collected(dialect, streamed(dialect), step)
    whole = CODECS[dialect].parse_answer(Form.CHAT, spoken(dialect).whole(SAID))
    assert isinstance(whole, Answer)
    assert answer.delta._replace(tool_calls=()) == whole.delta._replace(tool_calls=())
    assert (answer.delta.text, answer.delta.thinking) == ("Grüß Gott", "hm")
    assert [entry["token"] for entry in answer.delta.logprobs] == ["Grüß", " Gott"]
    (call,) = answer.delta.tool_calls
    assert (call.name, json.loads(call.arguments)) == ("look_up", ARGUMENTS)
    assert answer.usage == whole.usage == Usage(7, 4)


@pytest.mark.parametrize("dialect", list(Dialect))
def test_a_stream_cut_short_is_no_answer(dialect: Dialect) -> None:
    data = streamed(dialect)
    with pytest.raises(BadPeer, match="ended before it was complete"):
        collected(dialect, data[: data.index(b"Gott")])


@pytest.mark.parametrize("dialect", list(Dialect))
def test_an_error_in_the_stream_is_raised_at_once(dialect: Dialect) -> None:
    frames = spoken(dialect)
    collector = Collector(CODECS[dialect].decoder(Form.CHAT))
    with pytest.raises(BackendFailed, match="out of memory"):
        collector.feed(frames.piece("a") + frames.error_frame("out of memory"))


@pytest.mark.parametrize("dialect", list(Dialect))
def test_a_kept_answer_is_replayed_as_a_stream(dialect: Dialect) -> None:
    call = ToolCall("look_up", '{"city": "Bern"}', "x1")
    entry = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}
    answer = Answer(Delta("a", "hm", (call,), (entry,)), End("tool_calls", Usage(7, 4)))
    data = replay(answer, CODECS[dialect].encoder(Form.CHAT, ENVELOPE, CALL), 1.0)
    again = collected(dialect, data)
    assert again.delta == answer.delta
    assert again.usage == answer.usage


def test_what_a_dialect_cannot_say_is_the_backends_fault() -> None:
    answer = Answer(Delta(tool_calls=(ToolCall("f", "{oops"),)), End("stop"))
    with pytest.raises(BadPeer, match="not JSON"):
        replay(answer, CODECS[Dialect.OLLAMA].encoder(Form.CHAT, ENVELOPE, CALL), 0.0)


@pytest.mark.parametrize(
    ("form", "body"),
    [
        (Form.CHAT, {"messages": [], "brand_new": 1, "stream": False}),
        (Form.COMPLETION, {"prompt": "x", "n": 1}),
    ],
)
def test_a_call_is_made_a_stream_that_tells_everything(form: Form, body: dict[str, Any]) -> None:
    openai = CODECS[Dialect.OPENAI].streamed(form, body)
    assert openai == {**body, "stream": True, "stream_options": {"include_usage": True}}
    assert CODECS[Dialect.OLLAMA].streamed(form, body) == {**body, "stream": True}


@pytest.mark.parametrize(
    ("form", "body"),
    [
        (Form.CHAT, {"messages": [], "n": 2}),
        (Form.CHAT, {"messages": [], "modalities": ["text", "audio"]}),
        (Form.COMPLETION, {"prompt": ["a", "b"]}),
        (Form.COMPLETION, {"prompt": "a", "best_of": 3}),
        (Form.EMBEDDING, {"input": "a"}),
        (Form.RESPONSES, {"input": "a"}),
    ],
)
def test_what_is_more_than_one_plain_answer_is_not_put_together(
    form: Form, body: dict[str, Any]
) -> None:
    assert CODECS[Dialect.OPENAI].streamed(form, body) is None
