"""Frames that come one at a time, alike but for their words: they say what they say all at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sutazai.fleet.declared import Dialect
from sutazai.gateway.dialects import CODECS
from sutazai.gateway.dialects.moulds import Mould
from sutazai.gateway.dialects.neutral import Chat, Envelope, Form, Message
from sutazai.gateway.dialects.streams import Pipe, Translation

CALL = Chat((Message("user", "hi"),), stream=True)


def relay() -> Pipe:
    return CODECS[Dialect.OPENAI].relay(Form.CHAT)


def translation() -> Pipe:
    encoder = CODECS[Dialect.OLLAMA].encoder(Form.CHAT, Envelope("call-1", "m", 1000.0), CALL)
    return Translation(CODECS[Dialect.OPENAI].decoder(Form.CHAT), encoder)


def choice(delta: dict[str, Any], **more: Any) -> bytes:
    value = {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": None, **more}]}
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def raw(text: bytes) -> bytes:
    """A frame as `choice` makes it, whatever stands between the quotes of its text."""
    return choice({"content": "TEXT"}).replace(b"TEXT", text)


texts = st.sampled_from(
    [" word", "Grüß", "two\nlines", 'a "quoted" one', "error", "", "\x7f\u2028"]
)
tool_call = {"index": 0, "id": "1", "function": {"name": "f", "arguments": "{}"}}
frames = st.one_of(
    texts.map(lambda text: choice({"content": text})),
    texts.map(lambda text: choice({"content": text}, logprobs={"content": []})),
    texts.map(lambda text: choice({"content": text, "reasoning_content": text})),
    texts.map(lambda text: choice({"content": text, "text": text})),
    texts.map(lambda text: choice({"content": text, "tool_calls": [tool_call]})),
    texts.map(lambda text: choice({"content": text}, finish_reason="stop")),
    texts.map(lambda text: choice({"content": text}, usage={"completion_tokens": 1})),
    st.sampled_from(
        [
            choice({"role": "assistant"}),
            choice({"content": None, "refusal": "no"}),
            raw(b"a\nb"),
            raw(b'a"'),
            raw(b'","x":"'),
            raw(b"\\"),
            raw(b"\\u00e9"),
            raw(b"\\ud83d"),
            raw(b"\xff"),
            b": a comment\n\n",
            b"event: error\n",
            b'data: {"error": {"message": "broken"}}\n\n',
            b"data: [DONE]\n\n",
            b"data: ",
        ]
    ),
)


@pytest.mark.parametrize("make", [relay, translation])
@given(said=st.lists(st.one_of(st.just(choice({"content": "first"})), frames), max_size=8))
@settings(max_examples=200, deadline=None)
def test_it_does_not_matter_whether_frames_come_alone(
    make: Callable[[], Pipe], said: list[bytes]
) -> None:
    assert heard(make(), said) == heard(make(), [b"".join(said)])


def heard(pipe: Pipe, pieces: list[bytes]) -> tuple[object, ...]:
    out = b""
    for piece in pieces:
        if pipe.error is None:
            out += pipe.feed(piece, 1.0)
    if pipe.error is None:
        out += pipe.finish(1.0)
    return out.rstrip(b"\n"), type(pipe.error), pipe.ended, pipe.usage


def test_a_mould_gives_the_text_of_its_like_and_of_nothing_else() -> None:
    mould = Mould()
    mould.take(raw(b"one"))
    assert mould.text(raw(b"two")) == "two"
    assert mould.text(raw(rb"\u00e9\n\"")) == 'é\n"'
    for other in (b'a"', b'","x":"', b"\\", b"\xff", b"a\nb", b"\\ud83d"):
        assert mould.text(raw(other)) == ""
    assert mould.text(raw(b"two")[:-1]) == mould.text(b" " + raw(b"two")) == mould.text(b"") == ""


def test_a_mould_is_not_taken_where_the_text_is_not_clear() -> None:
    mould = Mould()
    for unclear in (
        choice({"content": "one", "text": "one"}),
        choice({"content": 'a "quoted" one'}),
        choice({"refusal": "no"}),
        b"",
    ):
        mould.take(raw(b"one"))
        mould.take(unclear)
        assert mould.text(raw(b"two")) == mould.text(unclear) == ""
