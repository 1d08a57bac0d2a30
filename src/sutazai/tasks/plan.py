"""Turns what the planner wrote into a plan, or falls back to the backlog and says so. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

TITLE_MAX = 80
DETAIL_MAX = 240
ENTRY_MAX = 100
"""Characters of a backlog entry that its item repeats."""
ITEMS_MIN = 2
ITEMS_MAX = 8
ITEMS_FROM_GOAL = 5
"""Most items of a plan made from a goal alone; more would not fit the planner's answer."""


@dataclass(frozen=True)
class PlanItem:
    """One planned item. ``source`` is the backlog's own text of it, where there is one."""

    title: str
    detail: str = ""
    source: str = ""


@dataclass(frozen=True)
class Plan:
    """What the executor works through. ``notes`` say where it is not the planner's."""

    items: tuple[PlanItem, ...]
    notes: tuple[str, ...] = ()


def item_bounds(backlog: Sequence[str]) -> tuple[int, int]:
    """Fewest and most items of a plan: as many as the backlog has, between 2 and 8."""
    if not backlog:
        return ITEMS_MIN, ITEMS_FROM_GOAL
    count = min(max(len(backlog), ITEMS_MIN), ITEMS_MAX)
    return count, count


def plan_schema(backlog: Sequence[str]) -> dict[str, Any]:
    """The JSON Schema that the planner's answer must follow.

    Where each backlog entry becomes one item, every item begins with its entry's own words, which
    the backend is made to write: a small model then goes on about that entry, and not about the
    one before.
    """
    fewest, most = item_bounds(backlog)
    items: dict[str, Any] = {"type": "array", "minItems": fewest, "maxItems": most}
    if len(backlog) == most:
        items["prefixItems"] = [
            _object(backlog={"const": entry[:ENTRY_MAX]}, **_ITEM) for entry in backlog
        ]
    else:
        items["items"] = _object(**_ITEM)
    return _object(items=items)


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_ITEM = {
    "title": {"type": "string", "minLength": 3, "maxLength": TITLE_MAX},
    "detail": {"type": "string", "maxLength": DETAIL_MAX},
}


def plan_from(text: str, backlog: Sequence[str], *, goal: str = "") -> Plan:
    """The plan in ``text``; one that cannot be used gives way to the backlog's own items.

    Nothing is repaired: an answer that is not JSON, has the wrong form or number of items, or
    whose titles are empty or repeat themselves is not used, and the plan's notes say why.
    """
    try:
        items = _items(text, backlog)
    except _Unusable as reason:
        return _fallback(str(reason), backlog, goal)
    if len(items) == len(backlog):
        pairs = zip(items, backlog, strict=True)
        items = [PlanItem(item.title, item.detail, source) for item, source in pairs]
    return Plan(tuple(items))


class _Unusable(Exception):
    """Why a plan cannot be used."""


def _items(text: str, backlog: Sequence[str]) -> list[PlanItem]:
    values = _list_in(text)
    fewest, most = item_bounds(backlog)
    if not fewest <= len(values) <= most:
        wanted = f"{fewest}" if fewest == most else f"{fewest} to {most}"
        raise _Unusable(f"it has {len(values)} items, not {wanted}")
    items = [_item(value) for value in values]
    titles = [item.title.casefold() for item in items]
    if len(set(titles)) < len(titles):
        raise _Unusable("its items repeat themselves")
    return items


def _list_in(text: str) -> list[Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _Unusable("it is not JSON") from error
    items = value.get("items") if isinstance(value, dict) else value
    if not isinstance(items, list):
        raise _Unusable("it has no list of items")
    return items


def _item(value: Any) -> PlanItem:
    title = _text(value, "title")
    words = title.casefold().split()
    if sum(map(str.isalpha, title)) < 3:
        raise _Unusable("an item has no title")
    if len(words) > 3 and len(set(words)) == 1:
        raise _Unusable("a title repeats one word")
    return PlanItem(title[:TITLE_MAX], _text(value, "detail")[:DETAIL_MAX])


def _text(value: Any, key: str) -> str:
    text = value.get(key, "") if isinstance(value, dict) else None
    if not isinstance(text, str):
        raise _Unusable("an item has the wrong form")
    return " ".join(text.split())


def _fallback(reason: str, backlog: Sequence[str], goal: str) -> Plan:
    if backlog:
        note = f"the planner's plan was not used because {reason}; the backlog's items are the plan"
        return Plan(tuple(PlanItem(_title(item), source=item) for item in backlog), (note,))
    note = f"the planner's plan was not used because {reason}; two items were made from the goal"
    first = PlanItem("Work out the goal", "A complete first version of what is asked.", goal)
    second = PlanItem("Say what is missing", "Risks, open questions and next steps.", goal)
    return Plan((first, second), (note,))


def _title(text: str) -> str:
    if len(text) <= TITLE_MAX:
        return text
    return text[: TITLE_MAX - 1].rsplit(" ", 1)[0] + "…"


def plan_markdown(goal: str, plan: Plan) -> str:
    """The text of `plan.md`."""
    lines = ["# Plan", ""]
    if goal:
        lines += [f"Goal: {goal}", ""]
    for number, item in enumerate(plan.items, 1):
        lines.append(f"{number}. **{item.title}**" + (f": {item.detail}" if item.detail else ""))
        if item.source and item.source != item.title:
            lines.append(f"   - From: {item.source}")
    lines += [line for note in plan.notes for line in ("", f"> Note: {note}.")]
    return "\n".join(lines) + "\n"
