"""Whole answers that are only looked at: what is usual is read in a shorter way, which must say the
same of every answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.fleet.declared import Dialect
from sutazai.fleet.errors import BadPeer, SutazaiError
from sutazai.gateway.dialects import CODECS
from sutazai.gateway.dialects.neutral import Form, Usage
from sutazai.gateway.dialects.ollama import answers as ollama
from sutazai.gateway.dialects.openai import answers as openai

FORMS = (Form.CHAT, Form.COMPLETION, Form.EMBEDDING)

counts: st.SearchStrategy[Any] = st.sampled_from((0, 7, 7.5, 7.0, -1, None, "7", True, {}, 2**70))
details = st.none() | st.fixed_dictionaries({}, optional={"cached_tokens": counts}) | counts
usages = counts | st.fixed_dictionaries(
    {},
    optional={
        "prompt_tokens": counts,
        "completion_tokens": counts,
        "prompt_tokens_details": details,
    },
)
choices: st.SearchStrategy[Any] = st.sampled_from(
    ([], [{}], [{"message": {"content": "ä"}}], [{}, 1], [1], {}, None)
)
errors = st.sampled_from((None, "", {}, "broken", {"message": "broken"}))
answers = st.fixed_dictionaries(
    {},
    optional={
        "choices": choices,
        "data": st.sampled_from(([], {}, None)),
        "usage": usages,
        "timings": st.sampled_from((None, {"prompt_n": 3, "predicted_n": 4, "cache_n": 2})),
        "error": errors,
        "done": st.sampled_from((True, False, None, 1)),
        "embeddings": st.sampled_from(([], None)),
        "prompt_eval_count": counts,
        "eval_count": counts,
    },
)


def outcome(form: Form, dialect: Dialect, value: dict[str, Any]) -> tuple[Usage | str, Usage | str]:
    """What is told of an answer as it came, and of one that was read as a whole."""
    room = openai if dialect is Dialect.OPENAI else ollama
    told: list[Usage | str] = []
    for check in (
        lambda: CODECS[dialect].check(form, json.dumps(value).encode()),
        lambda: room.check(form, value),
    ):
        try:
            told.append(check())
        except SutazaiError as error:
            told.append(f"{type(error).__name__} {error}")
    return told[0], told[1]


@given(st.sampled_from(FORMS), st.sampled_from(list(CODECS)), answers)
def test_the_short_way_says_what_the_long_one_says(
    form: Form, dialect: Dialect, value: dict[str, Any]
) -> None:
    short, long = outcome(form, dialect, value)
    assert short == long


@pytest.mark.parametrize(
    ("dialect", "usual"),
    [
        (
            Dialect.OPENAI,
            b'{"choices":[{"x":"%b"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}',
        ),
        (Dialect.OLLAMA, b'{"x":"%b","done":true,"prompt_eval_count":1,"eval_count":2}'),
    ],
)
def test_what_is_passed_over_must_be_json_too(dialect: Dialect, usual: bytes) -> None:
    codec = CODECS[dialect]
    assert codec.check(Form.CHAT, usual % "ä".encode()) == Usage(1, 2)
    for broken in (usual % b"\xc3", usual % b'"', usual[:-1] % b"x", usual % b"x" + b"x"):
        with pytest.raises(BadPeer):
            codec.check(Form.CHAT, broken)
