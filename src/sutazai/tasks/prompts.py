"""What the agents of the standard workflow are asked, inside a small model's context. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sutazai.tasks.plan import Plan, PlanItem, item_bounds

INPUT_TOKENS = 2_400
"""Of a context of 4,096: the rest is the agent's own prompt (600) and its answer (700), and slack
for a tokenizer that is worse than the estimate."""
GOAL_TOKENS = 300
ITEM_TOKENS = 700
LIST_TOKENS = 500
EXECUTE_ANSWER = 500
REVIEW_ANSWER = 400
LISTED_MAX = 12
"""Most items of the plan that an executor is shown, its own among them."""
BACKLOG_MAX = 40
"""Most backlog items that the planner is shown."""
REVIEWED_MAX = 16
"""Most work products that the reviewer is shown."""
CUT = " […]"


@dataclass(frozen=True)
class Product:
    """A work product as the reviewer is shown it."""

    item: PlanItem
    name: str
    text: str


@dataclass(frozen=True)
class Excerpt:
    """A text, or its beginning; ``cut`` says which."""

    text: str
    cut: bool


def estimate_tokens(text: str) -> int:
    """A careful estimate: 3 ASCII characters a token, every other character its UTF-8 bytes."""
    ascii_count = sum(map(str.isascii, text))
    others = len(text.encode(errors="replace")) - ascii_count if ascii_count < len(text) else 0
    return -(-ascii_count // 3) + others


def excerpt(text: str, tokens: int) -> Excerpt:
    """The longest beginning of ``text`` that fits, ended at a word."""
    if estimate_tokens(text) <= tokens:
        return Excerpt(text, False)
    low, high = 0, len(text)
    while low < high:  # the longest prefix that leaves room for the mark
        middle = (low + high + 1) // 2
        fits = estimate_tokens(text[:middle] + CUT) <= tokens
        low, high = (middle, high) if fits else (low, middle - 1)
    return Excerpt(_whole_words(text, low) + CUT, True)


def _whole_words(text: str, length: int) -> str:
    beginning = text[:length]
    if text[length].isspace():
        return beginning.rstrip()
    words = beginning.rsplit(None, 1)
    return words[0] if len(words) == 2 else beginning


def share(texts: Sequence[str], tokens: int) -> list[Excerpt]:
    """Excerpts of all texts that fit together; what short ones leave goes to the long ones."""
    sizes = [estimate_tokens(text) for text in texts]
    result: dict[int, Excerpt] = {}
    left = tokens
    for index in sorted(range(len(texts)), key=sizes.__getitem__):
        allowed = left // (len(texts) - len(result))
        result[index] = excerpt(texts[index], allowed)
        left -= min(sizes[index], allowed)
    return [result[index] for index in range(len(texts))]


def plan_answer_tokens(backlog: Sequence[str]) -> int:
    """Bound on the planner's answer: enough for as many items as it may write."""
    return 100 + 75 * item_bounds(backlog)[1]


def plan_prompt(goal: str, backlog: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """What the planner is asked, and notes on what it was not shown."""
    fewest, most = item_bounds(backlog)
    lines = _goal_lines(goal)
    notes: tuple[str, ...] = ()
    if backlog:
        shown, notes = _backlog_lines(backlog)
        lines += ["Backlog:", *shown, ""]
    lines.append(_plan_task(len(backlog), fewest, most))
    return "\n".join(lines), notes


def _backlog_lines(backlog: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    items = share(backlog[:BACKLOG_MAX], INPUT_TOKENS - GOAL_TOKENS - 200 - 4 * BACKLOG_MAX)
    lines = [f"{number}. {item.text}" for number, item in enumerate(items, 1)]
    notes = []
    if cut := sum(item.cut for item in items):
        notes.append(f"the planner saw only the beginning of {cut} backlog items")
    if hidden := len(backlog) - len(items):
        lines.append(f"… and {hidden} more")
        notes.append(f"the planner did not see the last {hidden} backlog items")
    return lines, tuple(notes)


def _plan_task(backlog: int, fewest: int, most: int) -> str:
    if not backlog:
        what = f"Split the goal into {fewest} to {most} items of work."
    elif backlog == most:
        what = f"Write one plan item for each of the {most} backlog items, in their order."
    else:
        what = f"Write a plan of {most} items that covers the whole backlog, in a sensible order."
    entry = '"backlog": "…", ' if backlog == most else ""
    form = f'{{"items": [{{{entry}"title": "…", "detail": "…"}}, …]}}'
    return (
        f"{what} Each has a short title and one sentence of detail that says what to "
        f"deliver. Answer with JSON only: {form}"
    )


def execute_prompt(goal: str, plan: Plan, index: int) -> str:
    """What the executor is asked for one item; ``index`` counts from 0.

    The other items stand in one sentence and the item itself last: a very small model goes on with
    a list that it is shown, instead of doing its item.
    """
    return "\n".join(
        [
            *_goal_lines(goal),
            *_others_lines(plan, index),
            f"Your item is number {index + 1} of {len(plan.items)}:",
            excerpt(_substance(plan.items[index]), ITEM_TOKENS).text,
            "",
            "Write its finished result now, in Markdown, and nothing else.",
        ]
    )


def _others_lines(plan: Plan, index: int) -> list[str]:
    """The items around ``index``, so that nobody does them too."""
    first = min(max(index - LISTED_MAX // 2, 0), max(len(plan.items) - LISTED_MAX, 0))
    shown = [i for i in range(first, min(first + LISTED_MAX, len(plan.items))) if i != index]
    if not shown:
        return []
    titles = [title.text for title in share([plan.items[i].title for i in shown], LIST_TOKENS)]
    hidden = len(plan.items) - len(shown) - 1
    more = [f"and {hidden} more"] if hidden else []
    return [f"Others do the other items: {'; '.join([*titles, *more])}.", ""]


def review_prompt(
    goal: str, products: Sequence[Product], failures: int = 0
) -> tuple[str, tuple[str, ...]]:
    """What the reviewer is asked, and notes on what it was not shown."""
    shown = products[:REVIEWED_MAX]
    room = INPUT_TOKENS - GOAL_TOKENS - 300 - 40 * len(shown)
    parts = share([product.text for product in shown], room)
    lines = [
        *_goal_lines(goal),
        "Review these work products against the goal. In Markdown, for each: what is good, what "
        "is wrong or missing, and what to do next. End with a verdict of one sentence.",
        "",
    ]
    for product, part in zip(shown, parts, strict=True):
        lines += [f"## {excerpt(product.item.title, 30).text}", "", part.text, ""]
    if failures:
        lines += [f"{failures} items of the plan could not be done.", ""]
    lines.append("Write the review now.")
    return "\n".join(lines), _hidden_notes(products, parts)


def _hidden_notes(products: Sequence[Product], parts: Sequence[Excerpt]) -> tuple[str, ...]:
    notes = []
    cut = [product.name for product, part in zip(products, parts, strict=False) if part.cut]
    if cut:
        notes.append(f"the reviewer saw only the beginning of {', '.join(cut)}")
    if hidden := len(products) - len(parts):
        notes.append(f"the reviewer did not see the last {hidden} work products")
    return tuple(notes)


def _goal_lines(goal: str) -> list[str]:
    return [f"Goal: {excerpt(goal, GOAL_TOKENS).text}", ""] if goal else []


def _substance(item: PlanItem) -> str:
    """An item in full; a title that is only the beginning of the backlog's own text is left out."""
    title = "" if item.source.startswith(item.title.rstrip("…")) else item.title
    return "\n".join(part for part in (title, item.detail, item.source) if part)
