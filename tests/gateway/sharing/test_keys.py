"""Which calls are the same call."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.fleet.declared import Dialect
from sutazai.gateway.dialects.neutral import Form
from sutazai.gateway.sharing.keys import ShareKey, is_deterministic, is_neutral, share_key

OPENAI, OLLAMA = Dialect.OPENAI, Dialect.OLLAMA
CHAT, EMBEDDING = Form.CHAT, Form.EMBEDDING
HI = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "temperature": 0}
FROZEN = {**HI, "temperature": None, "options": {"temperature": 0}}


def key(
    body: dict[str, Any],
    *,
    tenant: str = "planner",
    dialect: Dialect = OPENAI,
    form: Form = CHAT,
    model: tuple[str, ...] = ("m", "", "sha256:1"),
    stream: bool = False,
) -> ShareKey:
    made = share_key(tenant, dialect, form, body, model, stream=stream)
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("dialect", "fields"),
    [
        (OPENAI, {"temperature": 0}),
        (OPENAI, {"temperature": 0.0, "n": 1}),
        (OPENAI, {"seed": 7, "temperature": 1}),
        (OPENAI, {"seed": 0}),
        (OLLAMA, {"options": {"temperature": 0}}),
        (OLLAMA, {"options": {"seed": 42}}),
        ("anthropic", {"temperature": 0}),
    ],
)
def test_nought_degrees_or_a_seed_is_deterministic(dialect: str, fields: dict[str, Any]) -> None:
    assert is_deterministic(dialect, CHAT, fields)


@pytest.mark.parametrize(
    ("dialect", "fields"),
    [
        (OPENAI, {}),
        (OPENAI, {"temperature": 0.7}),
        (OPENAI, {"temperature": 0, "n": 2}),
        (OPENAI, {"seed": None}),
        (OPENAI, {"seed": -1}),
        (OPENAI, {"seed": 0xFFFF_FFFF}),
        (OPENAI, {"options": {"temperature": 0}}),
        (OLLAMA, {"temperature": 0}),
        (OLLAMA, {"options": {"temperature": 0.1}}),
        (OLLAMA, {"options": None}),
        (OLLAMA, {"options": "nonsense"}),
    ],
)
def test_everything_else_is_computed_for_itself(dialect: str, fields: dict[str, Any]) -> None:
    assert not is_deterministic(dialect, CHAT, fields)
    body = {**HI, "temperature": None, **fields}
    assert share_key("a", dialect, CHAT, body, ("m",), stream=False) is None


def test_embeddings_are_always_deterministic() -> None:
    assert key({"model": "m", "input": "hi"}, form=EMBEDDING)


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": []},
        {"store": True},
        {"conversation": "c1"},
        {"previous_response_id": "r1"},
        {"web_search_options": {"search_context_size": "low"}},
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        {"tools": ["nonsense"]},
    ],
)
def test_what_looks_at_the_world_or_changes_it_is_not_shared(fields: dict[str, Any]) -> None:
    assert share_key("a", OPENAI, CHAT, {**HI, **fields}, ("m",), stream=False) is None


def test_a_call_that_only_loads_a_model_is_not_shared() -> None:
    body = {"model": "m", "options": {"temperature": 0}}
    assert share_key("a", OLLAMA, Form.COMPLETION, body, ("m",), stream=False) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"user": "u1"},
        {"keep_alive": "5m"},
        {"model": "m:latest"},
        {"stream": True, "stream_options": {"include_usage": True}},
    ],
)
def test_what_does_not_change_the_answer_is_not_in_the_key(fields: dict[str, Any]) -> None:
    assert key({**HI, **fields}) == key(HI)
    assert key(dict(reversed(HI.items()))) == key(HI)


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [{"role": "user", "content": "hi "}]},
        {"temperature": 0, "seed": 1},
        {"max_tokens": 5},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"something_unknown": 1},
        {"logprobs": True},
    ],
)
def test_everything_else_is(fields: dict[str, Any]) -> None:
    assert key({**HI, **fields}).answer != key(HI).answer


def test_so_are_tenant_dialect_form_and_what_the_model_stands_for() -> None:
    others = [
        key(HI, tenant="worker"),
        key(FROZEN, dialect=OLLAMA),
        key(HI, form=Form.COMPLETION),
        key(HI, model=("m", "", "sha256:2")),
        key(HI, model=("m", "b", "sha256:1")),
    ]
    assert len({each.answer for each in (key(HI), *others)}) == 6


def test_the_order_within_a_schema_matters() -> None:
    """It decides in which order the model writes the fields."""
    one = {"type": "object", "properties": {"a": {}, "b": {}}}
    two = {"type": "object", "properties": {"b": {}, "a": {}}}
    assert key({**HI, "schema": one}) != key({**HI, "schema": two})


def test_streams_and_whole_answers_are_the_same_answer_in_other_bytes() -> None:
    usage = {**HI, "stream_options": {"include_usage": True}}
    keys = [key(HI), key(HI, stream=True), key(usage, stream=True)]
    assert len({each.answer for each in keys}) == 1
    assert len({each.exact for each in keys}) == 3
    assert key(usage) == key(HI), "without a stream its options say nothing"


def test_a_body_nested_beyond_measure_is_not_shared() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert share_key("a", OPENAI, CHAT, {**HI, "deep": deep}, ("m",), stream=True) is None
    options = {**HI, "stream_options": deep}
    assert share_key("a", OPENAI, CHAT, options, ("m",), stream=True) is None


def test_half_a_surrogate_pair_has_a_key() -> None:
    assert key({**HI, "user_text": "\ud800"}) != key({**HI, "user_text": "\ud801"})


@given(st.text(), st.text(), st.text(), st.text())
def test_no_two_tenants_and_models_run_into_each_other(a: str, b: str, c: str, d: str) -> None:
    same = (a, b) == (c, d)
    assert (key(HI, tenant=a, model=(b,)) == key(HI, tenant=c, model=(d,))) == same


@pytest.mark.parametrize(
    ("fields", "expected"),
    [({}, True), ({"logprobs": False}, True), ({"logprobs": 0}, False), ({"logprobs": True}, False),
     ({"modalities": ["text", "audio"]}, False)],
)  # fmt: skip
def test_what_the_neutral_form_lacks_is_known(fields: dict[str, Any], expected: bool) -> None:
    assert is_neutral({**HI, **fields}) is expected
