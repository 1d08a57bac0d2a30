"""A usable plan is used as it is; any other gives way to the backlog, and says so."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.tasks.plan import Plan, PlanItem, plan_from, plan_markdown, plan_schema

BACKLOG = ("write the guide", "fix the login")


def answer(*items: Any) -> str:
    return json.dumps({"items": list(items)})


def item(title: str, detail: str = "d") -> dict[str, str]:
    return {"title": title, "detail": detail}


def test_a_plan_of_the_right_form_is_used_and_keeps_the_backlogs_words() -> None:
    plan = plan_from(answer(item("Guide", "A guide."), item("Login")), BACKLOG)
    assert plan.notes == ()
    assert plan.items == (
        PlanItem("Guide", "A guide.", "write the guide"),
        PlanItem("Login", "d", "fix the login"),
    )


def test_a_bare_list_is_a_plan_too() -> None:
    text = json.dumps([item("Guide"), item("Login")])
    assert plan_from(text, BACKLOG).notes == ()


def test_a_long_backlog_is_planned_in_eight_items() -> None:
    backlog = [f"item {n}" for n in range(30)]
    plan = plan_from(answer(*(item(f"Part {n}") for n in range(8))), backlog)
    assert plan.notes == () and len(plan.items) == 8
    assert all(planned.source == "" for planned in plan.items)


def test_a_plan_from_a_goal_alone_may_have_two_to_five_items() -> None:
    for count in (2, 5):
        text = answer(*(item(f"Part {n}") for n in range(count)))
        assert len(plan_from(text, (), goal="a goal").items) == count


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("Here is the plan: …", "not JSON"),
        ('{"items": [{"title": "Guide", "detail": "cut', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("42", "no list of items"),
        ('{"plan": []}', "no list of items"),
        (answer(), "0 items, not 2"),
        (answer(item("Guide")), "1 items, not 2"),
        (answer(item("A one"), item("B two"), item("C three")), "3 items, not 2"),
        (answer(item("Guide"), "Login"), "wrong form"),
        (answer(item("Guide"), {"title": 7}), "wrong form"),
        (answer(item("Guide"), item("  ")), "no title"),
        (answer(item("Guide"), item("----")), "no title"),
        (answer(item("Guide"), item("guide")), "repeat themselves"),
        (answer(item("Guide"), item("the the the the")), "repeats one word"),
    ],
)
def test_what_cannot_be_used_falls_back_to_the_backlog_and_says_why(text: str, reason: str) -> None:
    plan = plan_from(text, BACKLOG)
    assert [planned.title for planned in plan.items] == list(BACKLOG)
    assert len(plan.notes) == 1 and reason in plan.notes[0]


def test_without_a_backlog_the_fallback_is_two_items_from_the_goal() -> None:
    plan = plan_from("nonsense", (), goal="make tea")
    assert len(plan.items) == 2
    assert {planned.source for planned in plan.items} == {"make tea"}
    assert "two items were made from the goal" in plan.notes[0]


def test_a_fallback_keeps_every_item_and_shortens_only_titles() -> None:
    backlog = ["word " * 40, *(f"item {n}" for n in range(20))]
    plan = plan_from("nonsense", backlog)
    assert len(plan.items) == 21
    assert len(plan.items[0].title) <= 80 and plan.items[0].title.endswith("…")
    assert plan.items[0].source == backlog[0]


@given(st.text(), st.lists(st.text(min_size=1), min_size=1, max_size=12))
def test_any_text_gives_a_plan_that_covers_the_backlog(text: str, backlog: list[str]) -> None:
    plan = plan_from(text, backlog)
    assert len(plan.items) == len(backlog) or (plan.notes == () and len(plan.items) in (2, 8))


def test_the_schema_asks_for_as_many_items_as_the_backlog_has() -> None:
    def bounds(count: int) -> tuple[int, int]:
        items = plan_schema(["x"] * count)["properties"]["items"]
        return items["minItems"], items["maxItems"]

    assert bounds(0) == (2, 5)
    assert bounds(1) == (2, 2)
    assert bounds(5) == (5, 5)
    assert bounds(200) == (8, 8)


def test_each_item_begins_with_its_backlog_entry() -> None:
    items = plan_schema(BACKLOG)["properties"]["items"]["prefixItems"]
    assert [one["properties"]["backlog"]["const"] for one in items] == list(BACKLOG)
    assert list(items[0]["properties"]) == ["backlog", "title", "detail"]


def test_plan_md_shows_items_their_sources_and_notes() -> None:
    plan = Plan((PlanItem("Guide", "A guide.", "write the guide"), PlanItem("Login")), ("a note",))
    assert plan_markdown("a goal", plan) == (
        "# Plan\n\nGoal: a goal\n\n"
        "1. **Guide**: A guide.\n   - From: write the guide\n2. **Login**\n\n> Note: a note.\n"
    )
