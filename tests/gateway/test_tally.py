"""What is counted of calls: late, and never too late."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.gateway.cells import EDGES, Durations
from sutazai.gateway.tally import MANY, Tally
from tests.gateway.records.makers import NOW, call
from tests.gateway.test_metrics import NOTHING


@pytest.mark.parametrize("calls", [1, MANY - 1, MANY, 3 * MANY + 5])
def test_whatever_it_tells_has_all_calls_in_it(calls: int) -> None:
    by_counters, by_summary, by_metrics = Tally(), Tally(), Tally()
    for tally in (by_counters, by_summary, by_metrics):
        for number in range(calls):
            tally.observe(call(outcome="failed" if number % 2 else "done"))

    told = by_counters.counters()
    assert (told.done, told.failed, told.cancelled) == (-(-calls // 2), calls // 2, 0)
    assert (told.tokens_in, told.tokens_out) == (350 * calls, 64 * calls)
    assert by_summary.summary(NOW).calls == calls
    text = b"".join(by_metrics.render(NOTHING)).decode()
    assert f'outcome="done"}} {-(-calls // 2)}\n' in text


def test_calls_that_ended_before_callers_are_declared_count_as_they_were() -> None:
    tally = Tally()
    tally.declare({"planner": "workflow"})
    tally.observe(call(caller="planner"))

    tally.declare({"worker": "workflow"})

    assert 'agent="planner"' not in b"".join(tally.render(NOTHING)).decode()
    assert tally.counters().done == 1


def test_what_a_cache_answered_is_counted_and_was_not_computed() -> None:
    tally = Tally()
    tally.observe(call(cache="hit", backend=""))
    assert (tally.counters().done, tally.counters().tokens_in) == (1, 0)


@given(st.lists(st.sampled_from(EDGES) | st.floats(0, 1_000)))
def test_many_durations_are_spread_as_if_they_came_one_by_one(many: list[float]) -> None:
    together, apart = Durations(EDGES), Durations(EDGES)

    together.add(many)
    for seconds in many:
        apart.add_one(seconds)

    assert together.counts == apart.counts
    assert together.total == pytest.approx(apart.total)
