"""The context of one piece of work."""

from __future__ import annotations

import asyncio

import pytest

from sutazai.agent import TaskContext, Usage


async def test_the_deadline_counts_down_and_never_below_zero() -> None:
    now = [10.0]
    task = TaskContext(id="t", input="x", ends_at=15.0, clock=lambda: now[0])
    assert task.deadline == 5.0
    now[0] = 20.0
    assert task.deadline == 0.0


async def test_progress_and_tokens_go_to_whoever_listens() -> None:
    heard: list[tuple[str, dict[str, object]]] = []

    async def report(event: str, data: dict[str, object]) -> None:
        heard.append((event, data))

    task = TaskContext(id="t", input="x", ends_at=1.0, report=report, clock=lambda: 0.0)
    await task.progress("half", 0.5)
    await task.progress("going on")
    await task.token("Hel")
    assert heard == [
        ("progress", {"message": "half", "fraction": 0.5}),
        ("progress", {"message": "going on"}),
        ("token", {"text": "Hel"}),
    ]


def test_usage_adds_up() -> None:
    usage = Usage()
    usage.add(prompt_tokens=10, completion_tokens=2)
    usage.add(prompt_tokens=5, completion_tokens=3)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.calls) == (15, 5, 2)


def test_calls_of_tools_are_counted_and_have_failed_where_they_raise() -> None:
    task = TaskContext(id="t", input="x", ends_at=1.0, clock=lambda: 0.0)
    with task.tool():
        pass
    with pytest.raises(ValueError, match="not found"), task.tool():
        raise ValueError("not found")
    assert (task.tool_calls, task.tool_errors) == (2, 1)


async def test_a_tool_that_is_cut_off_has_failed() -> None:
    task = TaskContext(id="t", input="x", ends_at=1.0, clock=lambda: 0.0)
    with pytest.raises(TimeoutError), task.tool():
        await asyncio.wait_for(asyncio.Event().wait(), 0)
    assert (task.tool_calls, task.tool_errors) == (1, 1)
