"""The scheduler's rules that hold without any policy: slots, priorities, ageing, backends."""

from __future__ import annotations

import pytest

from sutazai.gateway.queue.entries import Expire, Reject, Start, Why
from sutazai.gateway.queue.outages import OUTAGE_GRACE
from sutazai.gateway.queue.ranking import AGED_EVERY
from sutazai.gateway.queue.waiting import AGED_AFTER
from tests.gateway.queue.stories import (
    HIGH,
    LOW,
    MEDIUM,
    backend,
    clients,
    drain,
    entry,
    many,
    scheduler,
    started,
    submit,
)


def test_a_free_slot_is_taken_at_once_and_a_busy_one_waited_for() -> None:
    queue = scheduler()
    assert queue.submit(0.0, entry("1")) == [Start("1", "one", 0)]
    assert queue.submit(0.0, entry("2")) == []
    assert queue.finish(1.0, "1") == [Start("2", "one", 0)]
    assert queue.finish(2.0, "2") == []


def test_an_id_may_not_be_used_twice_at_the_same_time() -> None:
    queue = scheduler()
    queue.submit(0.0, entry("1"))
    queue.submit(0.0, entry("2"))
    for taken in "12":
        with pytest.raises(ValueError, match="here already"):
            queue.submit(0.0, entry(taken))


def test_each_entry_is_told_a_slot_that_nobody_else_has() -> None:
    queue = scheduler(backend(slots=3))
    decisions = submit(queue, many(3, "a"))
    assert sorted(each.slot for each in decisions if isinstance(each, Start)) == [0, 1, 2]
    queue.finish(1.0, "a1")
    (again,) = queue.submit(1.0, entry("b"))
    assert isinstance(again, Start) and again.slot == 1


# priorities


def test_high_goes_before_medium_before_low() -> None:
    queue = scheduler()
    queue.submit(0.0, entry("running"))
    submit(queue, [entry("l", priority=LOW), entry("m"), entry("h", priority=HIGH)])
    assert drain(queue, "running") == ["h", "m", "l"]


def test_an_aged_entry_gets_its_share_against_a_flood_of_higher_priority() -> None:
    queue = scheduler()
    queue.submit(0.0, entry("running", priority=HIGH))
    queue.submit(0.0, entry("old", "patient", LOW))
    submit(queue, many(200, "h", HIGH), AGED_AFTER)
    assert "old" in drain(queue, "running", now=AGED_AFTER)[:AGED_EVERY]


def test_ageing_leaves_most_slots_to_high_priority() -> None:
    queue = scheduler()
    queue.submit(0.0, entry("running"))
    submit(queue, many(100, "l", LOW))
    submit(queue, many(100, "h", HIGH), AGED_AFTER)
    order = drain(queue, "running", now=AGED_AFTER)[:40]
    assert sum(each.startswith("h") for each in order) == 40 - 40 // AGED_EVERY


def test_both_lower_priorities_have_their_share_where_both_have_aged() -> None:
    queue = scheduler()
    queue.submit(0.0, entry("running", priority=HIGH))
    submit(queue, [*many(100, "m"), *many(100, "l", LOW)], 1.0)
    submit(queue, many(100, "h", HIGH), AGED_AFTER + 1.0)
    order = drain(queue, "running", now=AGED_AFTER + 1.0, most=40)
    assert [clients(order).count(each) for each in "hml"] == [30, 5, 5]


def test_age_gives_a_client_no_more_than_its_turn() -> None:
    queue = scheduler()
    queue.submit(0.0, entry("running", "other"))
    submit(queue, many(100, "greedy"), 1.0)
    submit(queue, [*many(20, "x"), *many(20, "y")], 2.0)
    order = drain(queue, "running", now=10 * AGED_AFTER, most=45)
    assert [clients(order).count(each) for each in "gxy"] == [15, 15, 15]


# time


def test_an_entry_expires_at_its_deadline_and_not_before() -> None:
    queue = scheduler()
    queue.submit(0.0, entry("running"))
    queue.submit(0.0, entry("a", deadline=10.0))
    queue.submit(0.0, entry("b", deadline=5.0))
    assert queue.next_due() == 5.0
    assert queue.tick(4.9) == []
    assert queue.tick(5.0) == [Expire("b")]
    assert queue.next_due() == 10.0
    assert queue.finish(6.0, "running") == [Start("a", "one", 0)]
    assert queue.next_due() is None
    assert queue.tick(20.0) == []


def test_the_deadline_of_an_entry_that_ended_does_not_strike_its_successor() -> None:
    queue = scheduler()
    queue.submit(0.0, entry("running"))
    queue.submit(0.0, entry("again", deadline=5.0))
    queue.cancel(1.0, "again")
    queue.submit(1.0, entry("again", deadline=50.0))
    assert queue.tick(6.0) == []
    assert queue.next_due() == 50.0


# backends


def test_the_least_busy_backend_for_its_weight_is_taken() -> None:
    queue = scheduler(backend("light", 10, weight=1.0), backend("heavy", 10, weight=3.0))
    submit(queue, many(8, "a"))
    assert queue.snapshot(0.0).running == {"light": 2, "heavy": 6}


def test_one_call_at_a_time_is_still_spread_by_weight() -> None:
    queue = scheduler(backend("light", 1, weight=1.0), backend("heavy", 1, weight=3.0))
    taken = []
    for number in range(40):
        (decision,) = queue.submit(0.0, entry(str(number)))
        assert isinstance(decision, Start)
        taken.append(decision.backend)
        queue.finish(0.0, str(number))
    assert taken.count("heavy") == 30


def test_a_backend_that_comes_back_is_not_flooded_to_make_up_for_its_absence() -> None:
    queue = scheduler(backend("a"), backend("b", available=False))
    for number in range(50):
        queue.submit(0.0, entry(str(number)))
        queue.finish(0.0, str(number))
    queue.update_backends(1.0, [backend("a"), backend("b")])
    taken = []
    for number in range(10):
        (decision,) = queue.submit(1.0, entry(str(number)))
        assert isinstance(decision, Start)
        taken.append(decision.backend)
        queue.finish(1.0, str(number))
    assert taken.count("a") == 5


def test_only_a_backend_that_serves_the_target_is_used() -> None:
    queue = scheduler(backend("a", targets="fast"), backend("b", targets="standard complex"))
    assert queue.submit(0.0, entry("1", target="fast")) == [Start("1", "a", 0)]
    assert queue.submit(0.0, entry("2", target="fast")) == []
    assert queue.submit(0.0, entry("3", target="complex")) == [Start("3", "b", 0)]
    assert queue.finish(0.0, "3") == []
    assert queue.finish(0.0, "1") == [Start("2", "a", 0)]


def test_an_unknown_target_is_rejected_at_once() -> None:
    assert scheduler().submit(0.0, entry("1", target="none")) == [Reject("1", Why.NO_BACKEND)]


def test_what_runs_on_a_removed_backend_ends_there_and_frees_nothing_else() -> None:
    queue = scheduler(backend("old"))
    submit(queue, [entry("1"), entry("2")])
    assert queue.update_backends(1.0, [backend("new")]) == [Start("2", "new", 0)]
    assert queue.snapshot(1.0).running == {"old": 1, "new": 1}
    assert queue.finish(2.0, "1") == []
    assert queue.snapshot(2.0).running == {"new": 1}


# slots that change


def test_fewer_slots_are_reached_by_waiting_not_by_killing() -> None:
    queue = scheduler(backend(slots=3))
    submit(queue, many(4, "a"))
    queue.update_backends(1.0, [backend(slots=1)])
    assert queue.finish(1.0, "a0") == []
    assert queue.finish(1.0, "a1") == []
    assert started(queue.finish(1.0, "a2")) == ["a3"]


def test_more_slots_are_used_at_once() -> None:
    queue = scheduler(backend(slots=1))
    submit(queue, many(4, "a"))
    assert started(queue.update_backends(1.0, [backend(slots=3)])) == ["a1", "a2"]


def test_a_slot_that_went_and_came_back_while_in_use_is_not_given_twice() -> None:
    queue = scheduler(backend(slots=3))
    submit(queue, many(3, "a"))
    queue.update_backends(1.0, [backend(slots=1)])
    queue.finish(1.0, "a0")
    queue.finish(1.0, "a1")
    queue.update_backends(2.0, [backend(slots=3)])
    taken = submit(queue, many(2, "b"), 2.0)
    assert sorted(each.slot for each in taken if isinstance(each, Start)) == [0, 1]


# outages


def test_a_restart_of_the_backend_is_bridged() -> None:
    queue = scheduler(backend(available=False))
    assert queue.submit(1.0, entry("1")) == []
    assert started(queue.update_backends(OUTAGE_GRACE - 1, [backend()])) == ["1"]


def test_an_outage_is_told_after_its_grace() -> None:
    queue = scheduler(backend(available=False))
    queue.submit(1.0, entry("1"))
    assert queue.next_due() == OUTAGE_GRACE
    assert queue.tick(OUTAGE_GRACE) == [Reject("1", Why.NO_BACKEND)]
    assert queue.submit(OUTAGE_GRACE, entry("2")) == [Reject("2", Why.NO_BACKEND)]


def test_news_of_other_backends_does_not_make_an_outage_younger() -> None:
    queue = scheduler(backend(available=False))
    for now in (9.0, 11.0, 15.0):
        queue.update_backends(now, [backend(available=False), backend("two", targets="fast")])
    assert queue.submit(16.0, entry("1")) == [Reject("1", Why.NO_BACKEND)]


def test_a_target_whose_breaker_opens_is_an_outage_of_that_target_alone() -> None:
    queue = scheduler(backend(targets="fast standard"))
    queue.submit(0.0, entry("runs", target="fast"))
    queue.submit(0.0, entry("waits", target="fast"))
    queue.update_backends(1.0, [backend(targets="standard")])
    assert queue.submit(2.0, entry("newcomer", target="fast")) == []
    assert queue.submit(2.0, entry("other")) == []
    assert started(queue.finish(3.0, "runs")) == ["other"]
    rejected = queue.tick(1.0 + OUTAGE_GRACE)
    assert {each.id for each in rejected} == {"waits", "newcomer"}


def test_a_target_that_is_gone_for_good_is_unknown_in_the_end() -> None:
    queue = scheduler(backend(targets="fast standard"))
    queue.update_backends(1.0, [backend()])
    assert queue.submit(2.0, entry("1", target="fast")) == []
    queue.tick(1.0 + OUTAGE_GRACE)
    queue.update_backends(2.0 + OUTAGE_GRACE, [backend()])
    refused = queue.submit(3.0 + OUTAGE_GRACE, entry("2", target="fast"))
    assert refused == [Reject("2", Why.NO_BACKEND)]


# figures


def test_the_snapshot_says_who_waits_and_how_long() -> None:
    queue = scheduler()
    queue.submit(0.0, entry("1", size=100))
    queue.submit(2.0, entry("2", priority=LOW, size=20))
    queue.submit(3.0, entry("3", priority=HIGH, size=3))
    shot = queue.snapshot(10.0)
    assert shot.waiting == {HIGH: 1, MEDIUM: 0, LOW: 1}
    assert shot.running == {"one": 1}
    assert (shot.oldest_wait, shot.size) == (8.0, 23)


def test_the_load_of_a_backend_is_what_runs_there_and_what_could() -> None:
    queue = scheduler(backend("a", targets="fast"), backend("b", 2, targets="fast standard"))
    submit(queue, [*many(5, "f", target="fast"), *many(2, "s")])
    assert queue.load("a") == (1, 2)
    assert queue.load("b") == (2, 4)
    assert queue.load("none") == (0, 0)
