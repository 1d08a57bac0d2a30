"""Ids of traces: those of tasks, and those that callers bring."""

from __future__ import annotations

import re

import pytest

from sutazai.fleet.ids import new_id
from sutazai.fleet.span_ids import traceparent
from sutazai.fleet.trace_ids import trace_id, trace_of_parent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_tasks_trace_follows_from_its_id() -> None:
    tasks = [new_id("task") for _ in range(10_000)]

    traces = {trace_id(task) for task in tasks}

    assert len(traces) == len(set(tasks))
    assert all(re.fullmatch(r"[0-9a-f]{32}", trace) for trace in traces)
    assert trace_id("task-1") == trace_id("task-1")


def test_the_last_letter_says_much_of_all_digits() -> None:
    """Collectors choose by some of the digits alone."""
    traces = [trace_id(f"task-{letter}") for letter in "abcdefghijklmnop"]

    assert all(len({trace[place] for trace in traces}) > 4 for place in range(32))


def test_the_id_of_any_text_is_one() -> None:
    assert trace_id("\ud800") and trace_id("")


def test_the_trace_of_a_caller_is_read() -> None:
    assert trace_of_parent(f"00-{TRACE}-{SPAN}-01") == TRACE
    assert trace_of_parent(traceparent("task-1", 2, 0.5)) == trace_id("task-1")


@pytest.mark.parametrize(
    "header",
    [
        *(None, "", "-", "00", TRACE, f"00-{TRACE}-{SPAN}", f"01-{TRACE}-{SPAN}-01"),
        *(f"00-{TRACE.upper()}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{'0' * 32}-{SPAN}-01"),
        f"00-{TRACE}-{SPAN}-01-more",
    ],
)
def test_what_is_none_is_not(header: str | None) -> None:
    assert trace_of_parent(header) is None
