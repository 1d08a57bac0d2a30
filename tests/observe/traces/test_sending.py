"""When traces are sent, and when again."""

from __future__ import annotations

import pytest

from sutazai.fleet.ids import new_id
from sutazai.fleet.span_ids import is_chosen, traceparent
from sutazai.fleet.trace_ids import trace_id, trace_of_parent
from sutazai.observe.traces.sending import KEEP, LONGEST, next_try


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_a_share_of_traces_is_chosen_by_their_ids(share: float) -> None:
    traces = [trace_id(new_id("task")) for _ in range(5000)]

    chosen = sum(is_chosen(trace, share) for trace in traces)

    assert chosen == pytest.approx(5000 * share, rel=0.15)
    assert [is_chosen(trace, share) for trace in traces[:100]] == [
        is_chosen(trace, share) for trace in traces[:100]
    ]


def test_a_greater_share_has_all_of_a_smaller_one() -> None:
    traces = [trace_id(str(number)) for number in range(1000)]

    assert all(is_chosen(trace, 0.5) for trace in traces if is_chosen(trace, 0.2))


def test_whoever_makes_an_attempt_is_told_the_trace_and_whether_it_is_sent() -> None:
    parents = [traceparent(f"task-{number}", 1, 0.5) for number in range(100)]

    for number, parent in enumerate(parents):
        trace = trace_id(f"task-{number}")
        assert trace_of_parent(parent) == trace
        assert parent.endswith("-01" if is_chosen(trace, 0.5) else "-00")


def test_tries_become_rarer_up_to_a_bound() -> None:
    assert [next_try(failures, 1.0) for failures in (1, 2, 3, 4)] == [1, 2, 4, 8]
    assert next_try(1000, 1.0) == LONGEST
    assert next_try(4, 0.0) == 4


def test_a_collector_may_say_when() -> None:
    assert next_try(1, 0.5, asked=30.0) == 30
    assert next_try(1, 0.5, asked=1e9) == KEEP
