"""From a call's body to what is done with it, and what is learned from its answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sutazai.fleet.declared import Dialect
from sutazai.fleet.serving import ContextPolicy
from sutazai.gateway.context.contexts import Contexts, Other
from sutazai.gateway.context.cut import Reading
from sutazai.gateway.context.fitting import (
    FITS,
    Context,
    ContextExceeded,
    Elsewhere,
    Windowed,
    surely_fits,
)
from sutazai.gateway.context.prompts import Prompt, read_prompt
from sutazai.gateway.dialects import CODECS
from sutazai.gateway.dialects.neutral import Form

REJECT, WINDOW, ANOTHER_TIER = ContextPolicy
OPENAI, OLLAMA = Dialect.OPENAI, Dialect.OLLAMA
FOUR_K = Context(4096)
M = "model"


def turns(count: int, chars: int) -> dict[str, Any]:
    """A conversation of ``count`` questions and answers of ``chars`` characters each."""
    said = [
        {"role": role, "content": f"{number} ".ljust(chars, "x")}
        for number in range(count)
        for role in ("user", "assistant")
    ]
    newest = {"role": "user", "content": "and now?"}
    return {"model": M, "messages": [{"role": "system", "content": "be brief"}, *said, newest]}


def prompt_of(body: dict[str, Any], form: Form = Form.CHAT, dialect: Dialect = OPENAI) -> Prompt:
    codec = CODECS[dialect]
    raw = json.dumps(body, ensure_ascii=False).encode()
    return read_prompt(codec, form, body, raw, codec.prompt_of(form, body))


def test_a_short_call_surely_fits_and_a_long_one_is_looked_at() -> None:
    assert surely_fits(len(json.dumps(turns(2, 500))), FOUR_K)
    long = turns(10, 500)
    assert not surely_fits(len(json.dumps(long)), FOUR_K)
    assert Contexts().fit(prompt_of(long), M, FOUR_K, REJECT) == FITS


def test_a_conversation_that_is_too_long_loses_its_oldest_turns() -> None:
    contexts, body = Contexts(), turns(20, 1000)
    prompt = prompt_of(body)
    decision = contexts.fit(prompt, M, FOUR_K, WINDOW)
    assert isinstance(decision, Windowed)
    kept = decision.body["messages"]
    assert len(body["messages"]) - len(kept) == decision.dropped > 0
    assert (kept[0], kept[-1]) == (body["messages"][0], body["messages"][-1])
    assert contexts.windowed == 1
    left = prompt.left(CODECS[OPENAI].prompt_of(Form.CHAT, decision.body))
    assert contexts.estimate(left, M).high <= 4096 - 256
    with pytest.raises(ContextExceeded):
        contexts.fit(prompt, M, FOUR_K, REJECT)


def test_or_it_goes_where_there_is_room() -> None:
    others = [Other("small", M, Context(2048)), Other("large", "large-model", Context(32_768))]
    decision = Contexts().fit(prompt_of(turns(20, 1000)), M, FOUR_K, ANOTHER_TIER, others)
    assert decision == Elsewhere("large")


def test_what_a_backend_reports_makes_the_next_decision_better() -> None:
    contexts = Contexts()
    prompt = prompt_of(turns(9, 1000))  # 18,000 characters, by the first guess 4,700 tokens
    assert contexts.fit(prompt, M, FOUR_K, REJECT) == FITS, "who knows"
    shorter = prompt_of(turns(6, 1000))
    for _ in range(20):
        assert contexts.heard(shorter, M, 3600, 4096) is Reading.WHOLE
    with pytest.raises(ContextExceeded) as caught:
        contexts.fit(prompt, M, FOUR_K, REJECT)
    assert caught.value.data["estimated"] == pytest.approx(5400, rel=0.02)


def test_a_cut_is_counted_and_not_learned_from() -> None:
    contexts = Contexts()
    prompt = prompt_of(turns(20, 1000))
    before = contexts.estimate(prompt, M)
    assert contexts.heard(prompt, M, 2050, 4096) is Reading.CUT
    assert contexts.heard(prompt, M, 2050, None) is Reading.CUT
    assert (contexts.cut, contexts.estimate(prompt, M)) == (2, before)


def test_chinese_counts_for_more_than_english_however_it_is_written() -> None:
    body = {"model": M, "messages": [{"role": "user", "content": "你好世界" * 1000}]}
    codec = CODECS[OPENAI]
    facts = codec.prompt_of(Form.CHAT, body)
    for raw in (json.dumps(body).encode(), json.dumps(body, ensure_ascii=False).encode()):
        prompt = read_prompt(codec, Form.CHAT, body, raw, facts)
        assert Contexts().estimate(prompt, M).tokens == pytest.approx(3600, rel=0.01)


def test_pictures_count_and_nothing_is_learned_from_them() -> None:
    content = [
        {"type": "text", "text": "x" * 4000},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 9000}},
    ]
    prompt = prompt_of({"model": M, "messages": [{"role": "user", "content": content}]})
    contexts = Contexts()
    before = contexts.estimate(prompt, M)
    assert before.tokens == 1040 + 768
    assert contexts.heard(prompt, M, 3000, 8192) is Reading.WHOLE
    assert contexts.estimate(prompt, M) == before


def test_a_caller_of_ollama_may_ask_for_less_context_and_for_a_longer_answer() -> None:
    options = {"num_ctx": 2048, "num_predict": 100}
    prompt = prompt_of({**turns(8, 1000), "options": options}, dialect=OLLAMA)
    assert (prompt.num_ctx, prompt.max_tokens) == (2048, 100)
    with pytest.raises(ContextExceeded) as caught:
        Contexts().fit(prompt, M, FOUR_K, REJECT)
    assert caught.value.data["limit"] == 2048


# several prompts in one call


@pytest.mark.parametrize(
    ("form", "field"), [(Form.EMBEDDING, "input"), (Form.COMPLETION, "prompt")]
)
def test_of_several_texts_the_longest_must_fit(form: Form, field: str) -> None:
    contexts = Contexts()
    prompt = prompt_of({"model": M, field: ["x" * 9000] * 20}, form)
    assert (prompt.chars, prompt.single) == (9000, False)
    for policy in ContextPolicy:
        assert contexts.fit(prompt, M, FOUR_K, policy) == FITS
    long = prompt_of({"model": M, field: ["x" * 9000, "x" * 90_000]}, form)
    for policy in ContextPolicy:
        with pytest.raises(ContextExceeded):
            contexts.fit(long, M, FOUR_K, policy)


def test_an_embedding_needs_no_room_for_an_answer() -> None:
    prompt = prompt_of({"model": M, "input": "x" * 15_700}, Form.EMBEDDING)
    contexts = Contexts()
    for _ in range(100):
        contexts.heard(prompt, M, 4090, 4096)
    assert contexts.estimate(prompt, M).low > 3840
    assert contexts.fit(prompt, M, FOUR_K, REJECT) == FITS


def test_a_count_of_several_texts_says_nothing_of_one() -> None:
    prompt = prompt_of({"model": M, "input": ["x" * 9000] * 20}, Form.EMBEDDING)
    assert Contexts().heard(prompt, M, 40_000, 4096) is Reading.UNSAID


def test_a_call_without_a_prompt_fits() -> None:
    for form in (Form.CHAT, Form.COMPLETION, Form.EMBEDDING):
        prompt = prompt_of({"model": M}, form)
        assert Contexts().fit(prompt, M, FOUR_K, WINDOW) == FITS
        assert prompt.non_ascii_of(10) == 0
