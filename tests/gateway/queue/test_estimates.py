"""Positions, times of starts, and entries that are refused because they cannot make theirs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sutazai.gateway.queue.entries import Position, Reject, Why
from sutazai.gateway.queue.fairness import Account
from sutazai.gateway.queue.forecast import Forecast
from sutazai.gateway.queue.lanes import Backend
from sutazai.gateway.queue.scheduler import Scheduler
from tests.gateway.queue.stories import (
    HIGH,
    LOW,
    backend,
    drain,
    entry,
    many,
    scheduler,
    submit,
)


def measured(*backends: Backend, seconds: float = 2.0) -> Scheduler:
    """A scheduler that has seen one entry, which took so long."""
    queue = scheduler(*backends)
    queue.submit(0.0, entry("first", "nobody", cost=seconds))
    queue.finish(seconds, "first")
    return queue


def ahead(queue: Scheduler, id: str) -> int:  # noqa: A002 (the word of the field)
    position = queue.position(10.0, id)
    assert position is not None
    return position.ahead


def test_nothing_is_refused_or_foretold_before_anything_was_measured() -> None:
    queue = scheduler()
    submit(queue, many(100, "a", deadline=0.1))
    assert queue.waiting == 99
    assert queue.position(0.0, "a99") == Position(98, None)


def test_an_entry_that_cannot_start_in_time_is_refused_at_once() -> None:
    queue = measured(seconds=2.0)
    submit(queue, many(6, "a"), 10.0)
    # Five of its own wait, two seconds each.
    (refused,) = queue.submit(10.0, entry("late", "a", deadline=19.9))
    assert isinstance(refused, Reject) and refused.why is Why.TOO_LATE
    assert refused.position == Position(5, 12.0)
    assert queue.submit(10.0, entry("in time", "a", deadline=20.1)) == []


def test_a_newcomer_goes_before_the_many_of_a_greedy_client() -> None:
    queue = measured(seconds=2.0)
    submit(queue, many(1000, "greedy"), 10.0)
    assert queue.submit(10.0, entry("x", "x", deadline=15.0)) == []
    assert ahead(queue, "x") <= 1
    assert ahead(queue, "greedy999") == pytest.approx(999, abs=2)


def test_higher_priorities_are_ahead_and_lower_ones_are_not() -> None:
    queue = measured()
    submit(queue, [entry("runs"), *many(7, "h", HIGH), *many(5, "l", LOW)], 10.0)
    queue.submit(10.0, entry("m", "m"))
    assert ahead(queue, "m") == 7
    assert ahead(queue, "l0") == 8


def test_more_slots_serve_sooner() -> None:
    queue = measured(backend(slots=4))
    submit(queue, many(4 + 9, "a"), 10.0)
    assert queue.position(10.0, "a12") == Position(8, 9 * 2.0 / 4)


def test_what_waits_for_other_backends_is_not_ahead() -> None:
    queue = measured(backend("a", targets="fast"), backend("b"))
    submit(queue, [entry("runs"), *many(20, "s"), entry("f", target="fast")], 10.0)
    queue.submit(10.0, entry("me", "me", target="fast"))
    assert ahead(queue, "me") == 0


def test_what_may_go_elsewhere_counts_in_part() -> None:
    queue = measured(backend("a", 1, targets="fast standard"), backend("b", 3))
    submit(queue, many(4 + 8, "s", HIGH), 10.0)
    queue.submit(10.0, entry("me", "me", target="fast"))
    assert ahead(queue, "me") == 2


def test_who_is_held_has_a_position_and_no_time() -> None:
    queue = measured()
    submit(queue, [entry("runs"), *many(3, "a", agent=True), entry("person", "p")], 10.0)
    queue.pause(10.0)
    assert queue.position(10.0, "a2") is not None
    held = queue.position(10.0, "a2")
    assert held is not None and held.eta is None
    assert queue.position(10.0, "person") == Position(0, 2.0)


def test_who_does_not_wait_has_no_position() -> None:
    queue = scheduler()
    queue.submit(0.0, entry("runs"))
    assert queue.position(0.0, "runs") is None
    assert queue.position(0.0, "nobody") is None


def test_the_queue_is_listed_in_the_order_in_which_it_starts() -> None:
    queue = measured()
    entries = [entry("runs", "a", cost=2.0), *many(3, "a", cost=2.0), *many(2, "b", cost=2.0)]
    submit(queue, [*entries, *many(2, "c", LOW, cost=2.0)], 10.0)
    submit(queue, many(2, "d", HIGH, cost=2.0), 11.0)
    rows = queue.queue(12.0, 100)
    assert [row.id for row in rows] == drain(queue, "runs", now=10.0, each=2.0)
    assert [row.position.ahead for row in rows] == pytest.approx(list(range(9)), abs=1)
    etas = [row.position.eta or 0.0 for row in rows]
    assert etas == sorted(etas)
    assert (rows[0].client, rows[0].priority, rows[0].waited) == ("d", HIGH, 1.0)


def test_no_more_of_the_queue_is_listed_than_asked_for() -> None:
    queue = scheduler()
    submit(queue, many(50, "a"))
    assert [row.id for row in queue.queue(0.0, 3)] == ["a1", "a2", "a3"]
    assert queue.queue(0.0, 0) == []


@st.composite
def crowds(draw: st.DrawFn) -> dict[Account, int]:
    """Clients with tags from one to two costs apart, and entries."""
    found = {}
    for order, tag in enumerate(draw(st.lists(st.floats(0, 2), min_size=1, max_size=30))):
        account = Account(f"c{order}")
        account.tag, account.order = tag, order + 1
        found[account] = draw(st.integers(1, 20))
    return found


@settings(deadline=None)
@given(crowds(), st.data())
def test_a_forecast_is_right_to_half_an_entry_a_client(
    crowd: dict[Account, int], data: st.DataObject
) -> None:
    me = data.draw(st.sampled_from(sorted(crowd, key=lambda account: account.order)))
    own = data.draw(st.integers(0, crowd[me] - 1))
    starts = sorted(
        (account.tag + number, account.order) for account, n in crowd.items() for number in range(n)
    )
    exact = starts.index((me.tag + own, me.order))
    forecast = Forecast(dict(crowd), cost=1.0, mean=1.0, changes=0)
    assert forecast.ahead(me.tag, me.order, own, waits=True) == pytest.approx(
        exact, abs=len(crowd) / 2 + 1e-6
    )
