"""Anything whatever into both dialects' parsers and decoders, and into what only relays.

Nothing raises but our own errors, nothing hangs, and it does not matter how bytes are cut. A short
run belongs to the suite, a long one to `make soak`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sutazai.fleet.declared import Dialect
from sutazai.fleet.errors import SutazaiError
from sutazai.gateway.dialects import CLIENTS, CODECS, ClientCodec, Codec
from sutazai.gateway.dialects.collect import Collector, replay
from sutazai.gateway.dialects.neutral import (
    Answer,
    Call,
    Chat,
    Embedding,
    Envelope,
    Form,
    Message,
    Vectors,
    form_of,
)
from sutazai.gateway.dialects.ollama.pins import pin
from sutazai.gateway.dialects.streams import Pipe, Translation, write_json
from sutazai.gateway.failures import failure_of

ENVELOPE = Envelope("call-1", "m", 1000.0)
CALL = Chat((Message("user", "hi"),), stream=True)
ENDPOINTS = [(codec, form) for codec in CLIENTS for form in codec.endpoints]
TOKENS = (Form.CHAT, Form.COMPLETION)

# random JSON


def _words(text: str) -> list[str]:
    return text.split()


NAMES = _words(
    "messages role content text type images image_url url tool_calls function name arguments id "
    "index tool_call_id tool_name thinking reasoning_content tools tool_choice format "
    "response_format json_schema schema options num_ctx num_predict temperature seed stop n "
    "max_tokens stream stream_options include_usage prompt suffix system raw input dimensions "
    "encoding_format logprobs top_logprobs think reasoning_effort keep_alive context choices delta "
    "message finish_reason usage prompt_tokens completion_tokens prompt_tokens_details timings "
    "prompt_n prompt_ms done done_reason eval_count error embeddings embedding data response code "
    "output output_text instructions functions tokens token_logprobs token logprob item status"
)
WORDS = _words(
    "user assistant system tool text image_url json json_object json_schema high none stop "
    "tool_calls message_start message_delta message_stop response.completed response.failed error "
    "content_block_delta tool_result function_call function_call_output response {} base64 "
    "data:image/png;base64,AAAA"
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from(WORDS)
)


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5)


values = st.recursive(scalars, nested, max_leaves=16)
objects = st.dictionaries(st.sampled_from(NAMES), values, max_size=7)


@st.composite
def conversations(draw: st.DrawFn) -> dict[str, Any]:
    """Objects that are nearly requests."""
    keys = st.sampled_from(NAMES)
    turn = st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system", "tool", "developer"])},
        optional={
            "content": st.text(max_size=8) | st.lists(objects, max_size=2),
            "tool_calls": st.lists(objects, max_size=2),
            "tool_call_id": scalars,
        },
    )
    turns = draw(st.lists(turn | objects, max_size=6))
    more = draw(st.dictionaries(keys, values, max_size=3))
    return {"messages": turns, "input": turns, "prompt": draw(st.text(max_size=5)), **more}


# random streams


def framed(dialect: str, value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return text + b"\n" if dialect == Dialect.OLLAMA else b"data: " + text + b"\n\n"


def _delta(text: str) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}


def _line(text: str) -> dict[str, Any]:
    return {"model": "m", "message": {"role": "assistant", "content": text}, "done": False}


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Bytes that are nearly a stream of some dialect."""
    dialect = draw(st.sampled_from([*Dialect, "other"]))
    words = st.text(max_size=6)
    frame = {
        Dialect.OPENAI: st.builds(_delta, words),
        Dialect.OLLAMA: st.builds(_line, words),
        "other": st.builds(lambda text: {"type": "content_block_delta", "delta": text}, words),
    }[dialect]
    pieces = [framed(dialect, value) for value in draw(st.lists(frame | objects, max_size=5))]
    pieces += draw(
        st.lists(
            st.binary(max_size=12)
            | st.sampled_from(
                [b"data: [DONE]\n\n", b"\r\n", b"\n", b": hi\n\n", b"event: error\n"]
            ),
            max_size=3,
        )
    )
    return b"".join(draw(st.permutations(pieces)))


# what must hold


def check_parsers(body: dict[str, Any]) -> None:
    for codec in CODECS.values():
        for form in codec.endpoints:
            if form is not Form.RESPONSES:
                _check_parser(codec, form, body)


def _check_parser(codec: Codec, form: Form, body: dict[str, Any]) -> None:
    try:
        codec.wants_stream(form, body)
        call = codec.parse(form, body)
    except SutazaiError:
        return
    assert form_of(call) in codec.endpoints
    if codec.only_loads(form, body):
        write_json(codec.loaded_answer(form, body, ENVELOPE))
        return
    for other in CODECS.values():
        _check_renderer(other, call)


def _check_renderer(codec: Codec, call: Call) -> None:
    try:
        body = codec.render(call, "m")
    except SutazaiError:
        return
    write_json(body)
    if not isinstance(call, Embedding):
        again = codec.parse(form_of(call), body)
        assert again.stream == call.stream  # type: ignore[union-attr]


def check_facts(given: tuple[dict[str, Any], int]) -> None:
    body, room = given
    for codec, form in ENDPOINTS:
        facts = codec.prompt_of(form, body)
        assert facts.chars >= 0 and facts.images >= 0 and facts.turns >= 0
        shrunk = codec.shrink(form, body, lambda chars: chars <= room)
        if shrunk is None:
            continue
        left = codec.prompt_of(form, shrunk.body)
        assert left.turns <= facts.turns
        if form not in (Form.EMBEDDING, Form.SINGLE_EMBEDDING):
            assert left.chars <= room
        assert (shrunk.dropped == 0) is (shrunk.body is body)
        assert left.system.startswith(facts.system)


def check_pins(given: tuple[dict[str, Any], dict[str, Any]]) -> None:
    body, options = given
    pinned = pin(body, options, 60.0)
    assert pinned["keep_alive"] == 60.0
    assert pin(pinned, options, 60.0) is pinned or options != options  # (a number that is none)
    write_json(pinned)


def check_answers(value: dict[str, Any]) -> None:
    for codec in CODECS.values():
        for form in (Form.CHAT, Form.COMPLETION, Form.EMBEDDING):
            try:
                answer = codec.parse_answer(form, value)
            except SutazaiError as error:
                failure_of(error)
                continue
            for other in CODECS.values():
                _check_answer(other, form, answer)
    for client, form in ENDPOINTS:
        try:
            client.check(form, write_json(value))
        except SutazaiError as error:
            _check_failure(client, form, error)


def _check_answer(codec: Codec, form: Form, answer: Answer | Vectors) -> None:
    call = Embedding(("x",), base64=True) if isinstance(answer, Vectors) else CALL
    try:
        write_json(codec.render_answer(form, answer, ENVELOPE, 1.0, call))
        if isinstance(answer, Answer):
            replay(answer, codec.encoder(form, ENVELOPE, CALL), 1.0)
    except SutazaiError as error:
        failure_of(error)


def _check_failure(client: ClientCodec, form: Form, error: SutazaiError) -> None:
    for same in (False, True):
        failure = failure_of(error)
        body = write_json(client.failure_body(failure, same_dialect=same))
        assert json.loads(body)["error"]
        assert client.failure_frame(form, failure, same_dialect=same).endswith(b"\n")


def check_pipes(given: tuple[bytes, list[int]]) -> None:
    data, cuts = given
    for make in PIPES:
        assert heard(make(), data, []) == heard(make(), data, cuts) == heard(make(), data, [1])


def heard(pipe: Pipe, data: bytes, cuts: list[int]) -> tuple[Any, ...]:
    """All that came of ``data``, cut after each of ``cuts`` bytes again and again."""
    out, position, turn = b"", 0, 0
    while position < len(data) and pipe.error is None:
        step = cuts[turn % len(cuts)] if cuts else len(data)
        out += pipe.feed(data[position : position + step], 1.0)
        position, turn = position + step, turn + 1
    if pipe.error is None:
        out += pipe.finish(1.0)
    assert pipe.error is not None or pipe.ended
    # Empty lines at the end mean nothing.
    return out.rstrip(b"\r\n"), type(pipe.error), pipe.ended, pipe.usage


def _relay(codec: ClientCodec, form: Form) -> Callable[[], Pipe]:
    return lambda: codec.relay(form)


def _translation(backend: Codec, client: Codec, form: Form) -> Callable[[], Pipe]:
    return lambda: Translation(backend.decoder(form), client.encoder(form, ENVELOPE, CALL))


PIPES = [
    *[_relay(codec, form) for codec, form in ENDPOINTS],
    *[
        _translation(backend, client, form)
        for backend in CODECS.values()
        for client in CODECS.values()
        for form in TOKENS
    ],
]


def check_collectors(data: bytes) -> None:
    for codec in CODECS.values():
        collector = Collector(codec.decoder(Form.CHAT))
        try:
            collector.feed(data)
            collector.finish()
        except SutazaiError as error:
            failure_of(error)


CHECKS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], None]]] = {
    "parsers": (objects | conversations(), check_parsers),
    "facts": (st.tuples(objects | conversations(), st.integers(0, 80)), check_facts),
    "pins": (st.tuples(objects, objects), check_pins),
    "answers": (objects, check_answers),
    "pipes": (
        st.tuples(streams(), st.lists(st.integers(1, 40), min_size=1, max_size=4)),
        check_pipes,
    ),
    "collectors": (streams(), check_collectors),
}


def fuzz(name: str, examples: int) -> None:
    strategy, check = CHECKS[name]
    limits = settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    limits(given(strategy)(check))()


@pytest.mark.parametrize("name", CHECKS)
def test_nothing_whatever_breaks_them(name: str) -> None:
    fuzz(name, 25)


@pytest.mark.soak
@pytest.mark.parametrize("name", CHECKS)
def test_nothing_whatever_breaks_them_for_long(name: str) -> None:
    fuzz(name, 10_000)
