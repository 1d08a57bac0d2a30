"""Responses and Messages as bytes: relayed as they are, with their errors, ends and counts seen."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sutazai.fleet.declared import Dialect
from sutazai.fleet.errors import BadPeer, QueueFull, Unauthenticated
from sutazai.gateway.dialects import CLIENTS, CODECS, relays
from sutazai.gateway.dialects.absent import absent_api
from sutazai.gateway.dialects.neutral import Form, Usage
from sutazai.gateway.dialects.streams import Pipe, write_json
from sutazai.gateway.failures import BackendFailed, Failure, backend_failure, failure_of
from tests.gateway.fake_dialects import frames_for
from tests.gateway.fake_frames import Frames, Said

OPENAI, ANTHROPIC = CODECS[Dialect.OPENAI], CLIENTS[-1]
SAID = Said(("Grüß", " Gott"), usage=(7, 2))
APIS = {
    Form.RESPONSES: (OPENAI, "/v1/responses", Usage(7, 2, 1)),
    Form.MESSAGES: (ANTHROPIC, "/v1/messages", Usage(7, 2)),
}
forms = pytest.mark.parametrize("form", list(APIS))


def frames(form: Form) -> Frames:
    return frames_for(Dialect.OPENAI, APIS[form][1], {"model": "m", "stream": True})


def stream(form: Form, reason: str = "stop") -> bytes:
    spoken = frames(form)
    pieces = [*spoken.begin(), *map(spoken.piece, SAID.tokens)]
    return b"".join([*pieces, *spoken.end(Said(SAID.tokens, reason=reason, usage=SAID.usage))])


def relay(form: Form) -> Pipe:
    return APIS[form][0].relay(form)


def run(pipe: Pipe, data: bytes, step: int) -> bytes:
    out = b""
    for start in range(0, len(data), step):
        if pipe.error is None:
            out += pipe.feed(data[start : start + step], 1.0)
    return out if pipe.error is not None else out + pipe.finish(2.0)


@forms
@pytest.mark.parametrize("reason", ["stop", "length"])
@given(step=st.integers(1, 300))
@settings(max_examples=30, deadline=None)
def test_a_stream_is_passed_on_byte_for_byte(form: Form, reason: str, step: int) -> None:
    pipe = relay(form)
    assert run(pipe, stream(form, reason), step) == stream(form, reason)
    assert pipe.ended and pipe.error is None
    assert pipe.usage == APIS[form][2]


@forms
def test_every_early_end_is_an_error(form: Form) -> None:
    whole = stream(form)
    last = {Form.RESPONSES: b"event: response.completed", Form.MESSAGES: b"event: message_stop"}
    for end in range(whole.index(last[form])):
        pipe = relay(form)
        out = run(pipe, whole[:end], 64)
        assert isinstance(pipe.error, BadPeer), f"an end after {end} bytes went unnoticed"
        assert whole.startswith(out) and out[-2:] in (b"", b"\n\n"), "half an event was given out"


@forms
def test_pieces_count_until_the_usage_is_told(form: Form) -> None:
    whole = stream(form)
    pipe = relay(form)
    pipe.feed(whole[: whole.index(b" Gott")], 0.0)
    expected = {Form.RESPONSES: Usage(0, 1), Form.MESSAGES: Usage(7, 1)}
    assert pipe.usage == expected[form]


@forms
@pytest.mark.parametrize("step", [1, 9, 10_000])
def test_an_error_in_the_stream_is_seen_and_nothing_before_it_is_lost(
    form: Form, step: int
) -> None:
    spoken = frames(form)
    before = b"".join([*spoken.begin(), spoken.piece("Gr")])
    pipe = relay(form)
    assert run(pipe, before + spoken.error_frame("out of memory"), step) == before
    assert isinstance(pipe.error, BackendFailed)
    assert failure_of(pipe.error).message == "out of memory"


@pytest.mark.parametrize(
    ("form", "data"),
    [
        (Form.RESPONSES, b'event: error\ndata: {"type":"error","code":"x","message":"boom"}\n\n'),
        (Form.RESPONSES, b'data: {"error":{"message":"boom","code":500}}\n\n'),
        (Form.RESPONSES, b'data: {"error":"boom"}\n\n'),
        (Form.MESSAGES, b'event: error\ndata: {"error":{"type":"x","message":"boom"}}\n\n'),
        (Form.MESSAGES, b'data: {"type":"error","error":{"message":"boom"}}\n\n'),
        (Form.MESSAGES, b'data: {"error":"boom"}\n\n'),
    ],
)
def test_an_error_of_any_shape_is_seen(form: Form, data: bytes) -> None:
    pipe = relay(form)
    run(pipe, data, 10_000)
    assert isinstance(pipe.error, BackendFailed)
    assert failure_of(pipe.error).message == "boom"


@forms
def test_words_that_look_like_events_are_only_words(form: Form) -> None:
    text = '{"type":"message_stop","error":"x"} event: response.completed "response.failed" [DONE]'
    spoken = frames(form)
    said = Said((text,), usage=(7, 2))
    data = b"".join([*spoken.begin(), spoken.piece(text), *spoken.end(said)])
    pipe = relay(form)
    assert run(pipe, data, 11) == data
    assert pipe.error is None and pipe.usage == APIS[form][2]


def test_what_the_cache_held_belongs_to_the_prompt() -> None:
    whole = {
        "type": "message",
        "content": [],
        "usage": {"input_tokens": 1, "cache_read_input_tokens": 32, "output_tokens": 3},
    }
    assert ANTHROPIC.check(Form.MESSAGES, write_json(whole)) == Usage(33, 3, 32)
    assert ANTHROPIC.check(Form.COUNT, b'{"input_tokens":33}') == Usage()


@pytest.mark.parametrize(
    ("form", "value", "kind"),
    [
        (Form.MESSAGES, {"type": "error", "error": {"type": "x", "message": "no"}}, BackendFailed),
        (Form.MESSAGES, {}, BadPeer),
        (Form.COUNT, {"input_tokens": "many"}, BadPeer),
        (Form.RESPONSES, {"error": {"message": "no"}}, BackendFailed),
        (Form.RESPONSES, {"id": "x"}, BadPeer),
    ],
)
def test_what_is_no_answer_is_told(
    form: Form, value: dict[str, Any], kind: type[Exception]
) -> None:
    codec = OPENAI if form is Form.RESPONSES else ANTHROPIC
    with pytest.raises(kind):
        codec.check(form, write_json(value))


# errors


def test_anthropics_clients_read_errors_in_their_shape() -> None:
    for error, kind in (
        (QueueFull("the queue is full", hint="try later"), "rate_limit_error"),
        (Unauthenticated("a key is needed"), "authentication_error"),
        (BadPeer("nonsense"), "api_error"),
    ):
        body = ANTHROPIC.failure_body(failure_of(error), same_dialect=False)
        assert body["type"] == "error" and body["error"]["type"] == kind
        assert error.message in body["error"]["message"]
    frame = ANTHROPIC.failure_frame(Form.MESSAGES, failure_of(error), same_dialect=False)
    event, data, *_ = frame.decode().split("\n")
    assert event == "event: error" and json.loads(data.removeprefix("data: ")) == body


def test_a_backends_own_words_are_kept_where_it_speaks_the_same() -> None:
    said = b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}'
    failure = backend_failure(529, said)
    body = ANTHROPIC.failure_body(failure, same_dialect=True)
    assert body == json.loads(said)


@pytest.mark.parametrize(
    ("status", "body", "absent"),
    [
        (404, b"404 page not found", True),  # Ollama's
        (404, b'{"error":{"message":"File Not Found","type":"not_found_error"}}', True),
        (404, b'{"detail":"Not Found"}', True),
        (405, b"", True),
        (501, b'{"error":{"message":"not supported"}}', True),
        (404, b'{"error":{"message":"model \\"x\\" not found, try pulling it first"}}', False),
        (404, b'{"error":{"code":"model_not_found","message":"nope"}}', False),
        (404, b'{"error":{"message":"The model `x` does not exist."}}', False),
        (400, b'{"error":{"message":"bad"}}', False),
        (500, b"", False),
    ],
)
def test_a_missing_api_is_told_from_a_missing_model(status: int, body: bytes, absent: bool) -> None:
    failure = backend_failure(status, body)
    found = absent_api(Form.MESSAGES, failure)
    assert (found is not None) is absent
    assert absent_api(Form.CHAT, failure) is None
    if found is not None:
        told: Failure = failure_of(found)
        assert (told.status, told.code) == (404, "no_such_api")
        assert "Anthropic's Messages API" in told.message


def test_what_only_can_be_relayed_is_relayed_to_any_backend() -> None:
    for backend in Dialect:
        assert relays(ANTHROPIC, Form.MESSAGES, backend)
        assert relays(OPENAI, Form.RESPONSES, backend)
        assert relays(OPENAI, Form.CHAT, backend) is (backend is Dialect.OPENAI)
