"""What agents are asked stays inside a small context, and what was cut is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.tasks import prompts
from sutazai.tasks.plan import Plan, PlanItem, plan_from
from sutazai.tasks.prompts import Product, estimate_tokens, excerpt, share

WORD = {"plain": "word ", "umlauts": "größe ", "japanese": "日本語のテキスト"}


def test_a_short_text_is_its_own_excerpt() -> None:
    assert excerpt("a few words", 10) == prompts.Excerpt("a few words", False)


def test_a_long_text_is_cut_at_a_word_and_marked() -> None:
    part = excerpt("alpha beta gamma delta epsilon", 8)
    assert part.cut and part.text == "alpha beta […]"


@given(st.text(max_size=3000), st.integers(6, 400))
def test_an_excerpt_never_takes_more_than_it_may(text: str, tokens: int) -> None:
    part = excerpt(text, tokens)
    assert estimate_tokens(part.text) <= tokens
    assert part.cut == (part.text != text)


@given(st.lists(st.text(max_size=500), min_size=1, max_size=8), st.integers(80, 1000))
def test_shared_excerpts_fit_together(texts: list[str], tokens: int) -> None:
    parts = share(texts, tokens)
    assert sum(estimate_tokens(part.text) for part in parts) <= tokens


def test_what_short_texts_leave_goes_to_long_ones() -> None:
    short, long = share(["tiny", "word " * 200], 200)
    assert not short.cut
    assert estimate_tokens(long.text) > 180


@pytest.mark.parametrize("word", WORD.values(), ids=WORD.keys())
@pytest.mark.parametrize("count", [1, 8, 200])
def test_every_prompt_fits_however_much_there_is(word: str, count: int) -> None:
    text = word * 2000
    backlog = [text] * count
    title = text[:80]
    plan = Plan(tuple(PlanItem(title, text[:240], text) for _ in range(count)))
    products = [Product(item, f"work/{n}.md", text) for n, item in enumerate(plan.items)]

    asked, notes = prompts.plan_prompt(text, backlog)
    assert estimate_tokens(asked) <= prompts.INPUT_TOKENS
    assert any("saw only the beginning" in note for note in notes)
    for index in {0, count // 2, count - 1}:
        assert estimate_tokens(prompts.execute_prompt(text, plan, index)) <= prompts.INPUT_TOKENS
    asked, notes = prompts.review_prompt(text, products)
    assert estimate_tokens(asked) <= prompts.INPUT_TOKENS
    assert any("saw only the beginning of work/0.md" in note for note in notes)
    assert prompts.plan_answer_tokens(backlog) <= 700


def test_nothing_is_said_to_be_cut_when_nothing_was() -> None:
    plan = Plan((PlanItem("Guide", "A guide."), PlanItem("Login")))
    products = [Product(item, "work/1.md", "short") for item in plan.items]
    assert prompts.plan_prompt("goal", ["a", "b"])[1] == ()
    assert prompts.review_prompt("goal", products)[1] == ()


def test_an_executor_sees_the_goal_the_plan_and_its_item() -> None:
    plan = Plan((PlanItem("Guide", "A guide.", "write the guide"), PlanItem("Login")))
    asked = prompts.execute_prompt("ship it", plan, 0)
    assert asked == (
        "Goal: ship it\n\nOthers do the other items: Login.\n\nYour item is number 1 of 2:\n"
        "Guide\nA guide.\nwrite the guide\n\n"
        "Write its finished result now, in Markdown, and nothing else."
    )


def test_an_item_of_a_plan_that_fell_back_is_shown_in_the_backlogs_words_only() -> None:
    plan = plan_from("nonsense", ["write the guide " * 20])
    asked = prompts.execute_prompt("", plan, 0)
    assert asked.startswith("Your item is number 1 of 1:\nwrite the guide write")
    assert "…" not in asked and "Others" not in asked


def test_an_executor_of_a_long_plan_sees_its_neighbours() -> None:
    plan = Plan(tuple(PlanItem(f"Part {n}") for n in range(1, 51)))
    asked = prompts.execute_prompt("", plan, 29)
    assert "Part 29; Part 31;" in asked and "and 38 more." in asked
    assert "number 30 of 50:\nPart 30\n" in asked and "Part 1;" not in asked


def test_a_planner_is_told_what_it_cannot_see() -> None:
    asked, notes = prompts.plan_prompt("", ["short"] * 50)
    assert "… and 10 more" in asked
    assert notes == ("the planner did not see the last 10 backlog items",)


def test_a_reviewer_hears_of_items_that_were_not_done() -> None:
    products = [Product(PlanItem("Guide"), "work/1.md", "text")] * 20
    asked, notes = prompts.review_prompt("", products, 2)
    assert "2 items of the plan could not be done" in asked
    assert notes == ("the reviewer did not see the last 4 work products",)
