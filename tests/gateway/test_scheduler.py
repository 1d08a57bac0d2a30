"""The scheduler's rules, one story each, in virtual time."""

from __future__ import annotations

import sys

import pytest

from sutazai.fleet.spec import Priority
from sutazai.gateway.scheduler import (
    AGED_AFTER,
    AGED_EVERY,
    OUTAGE_GRACE,
    Backend,
    Decision,
    Expire,
    Reject,
    Scheduler,
    Start,
    Why,
)
from sutazai.gateway.waiting import Entry

HIGH, MEDIUM, LOW = Priority.HIGH, Priority.MEDIUM, Priority.LOW


def backend(
    name: str = "one",
    slots: int = 1,
    *,
    weight: float = 1.0,
    available: bool = True,
    targets: str = "standard",
) -> Backend:
    return Backend(name, slots, weight, available, frozenset(targets.split()))


def scheduler(*backends: Backend, limit: int = 100) -> Scheduler:
    made = Scheduler(limit=limit)
    made.update_backends(0.0, backends or (backend(),))
    return made


def entry(
    id: str,  # noqa: A002 (the word of the field)
    client: str = "a",
    priority: Priority = MEDIUM,
    target: str = "standard",
    deadline: float = 300.0,
) -> Entry:
    return Entry(id, client, priority, target, deadline)


def started(decisions: list[Decision]) -> list[str]:
    return [each.id for each in decisions if isinstance(each, Start)]


def drain(queue: Scheduler, first: str, *, now: float = 0.0) -> list[str]:
    """Finishes what runs, again and again; the order in which the waiting started."""
    order, current = [], first
    while ids := started(queue.finish(now, current)):
        order.append(ids[0])
        current = ids[0]
    return order


def test_a_free_slot_is_taken_at_once_and_a_busy_one_waited_for() -> None:
    queue = scheduler()
    assert queue.submit(0.0, entry("1")) == [Start("1", "one")]
    assert queue.submit(0.0, entry("2")) == []
    assert queue.finish(1.0, "1") == [Start("2", "one")]
    assert queue.finish(2.0, "2") == []


def test_a_full_queue_rejects_the_next_one() -> None:
    queue = scheduler(limit=1)
    queue.submit(0.0, entry("running"))
    assert queue.submit(0.0, entry("waits")) == []
    assert queue.submit(0.0, entry("late")) == [Reject("late", Why.QUEUE_FULL)]
    queue.update_limit(2)
    assert queue.submit(0.0, entry("later")) == []


def test_an_id_may_not_be_used_twice_at_the_same_time() -> None:
    queue = scheduler()
    queue.submit(0.0, entry("1"))
    with pytest.raises(ValueError, match="here already"):
        queue.submit(0.0, entry("1"))


def test_high_goes_before_medium_before_low() -> None:
    queue = scheduler()
    queue.submit(0.0, entry("running"))
    for each in (entry("l", priority=LOW), entry("m"), entry("h", priority=HIGH)):
        queue.submit(0.0, each)
    assert drain(queue, "running") == ["h", "m", "l"]


def test_clients_take_turns_however_much_one_of_them_asks() -> None:
    queue = scheduler()
    queue.submit(0.0, entry("running", "greedy"))
    for number in range(6):
        queue.submit(0.0, entry(f"g{number}", "greedy"))
    for number in range(3):
        queue.submit(0.0, entry(f"x{number}", "x"))
        queue.submit(0.0, entry(f"y{number}", "y"))
    order = drain(queue, "running")
    assert sorted(order[:3]) == ["g0", "x0", "y0"]
    assert [each[0] for each in order].index("g", 3) <= 5
    assert order[-3:] == ["g3", "g4", "g5"]


def test_turns_hold_across_targets_that_share_a_backend() -> None:
    queue = scheduler(backend(targets="fast standard"))
    queue.submit(0.0, entry("running", "greedy"))
    for number in range(8):
        queue.submit(0.0, entry(f"g{number}", "greedy", target="standard"))
    queue.submit(0.0, entry("x0", "x", target="fast"))
    queue.submit(0.0, entry("x1", "x", target="fast"))
    assert {"x0", "x1"} <= set(drain(queue, "running")[:4])


def test_a_client_cannot_save_up_turns_while_it_is_away() -> None:
    queue = scheduler()
    queue.submit(0.0, entry("running", "busy"))
    for number in range(20):
        queue.submit(0.0, entry(f"b{number}", "busy"))
    current = "running"
    for _ in range(10):
        (current,) = started(queue.finish(0.0, current))
    for number in range(4):
        queue.submit(0.0, entry(f"n{number}", "newcomer"))
    order = [each[0] for each in drain(queue, current)]
    assert order[:6].count("b") >= 2


def test_an_aged_entry_gets_its_share_against_a_flood_of_higher_priority() -> None:
    queue = scheduler(limit=1000)
    queue.submit(0.0, entry("running", priority=HIGH, deadline=1e9))
    queue.submit(0.0, entry("old", "patient", priority=LOW, deadline=1e9))
    now, current, starts = AGED_AFTER, "running", 0
    for number in range(200):
        queue.submit(now, entry(f"h{number}", priority=HIGH, deadline=1e9))
    while current != "old":
        (current,) = started(queue.finish(now, current))
        starts += 1
    assert starts <= AGED_EVERY


def test_ageing_leaves_most_slots_to_high_priority() -> None:
    queue = scheduler(limit=1000)
    queue.submit(0.0, entry("running", deadline=1e9))
    for number in range(100):
        queue.submit(0.0, entry(f"l{number}", priority=LOW, deadline=1e9))
    for number in range(100):
        queue.submit(AGED_AFTER, entry(f"h{number}", priority=HIGH, deadline=1e9))
    order = drain(queue, "running", now=AGED_AFTER)[:40]
    assert sum(each.startswith("h") for each in order) == 40 - 40 // AGED_EVERY


def test_an_entry_expires_at_its_deadline_and_not_before() -> None:
    queue = scheduler()
    queue.submit(0.0, entry("running"))
    queue.submit(0.0, entry("a", deadline=10.0))
    queue.submit(0.0, entry("b", deadline=5.0))
    assert queue.next_due() == 5.0
    assert queue.tick(4.9) == []
    assert queue.tick(5.0) == [Expire("b")]
    assert queue.next_due() == 10.0
    assert queue.finish(6.0, "running") == [Start("a", "one")]
    assert queue.next_due() is None
    assert queue.tick(20.0) == []


def test_cancelling_works_in_every_state() -> None:
    queue = scheduler()
    queue.submit(0.0, entry("running"))
    queue.submit(0.0, entry("first"))
    queue.submit(0.0, entry("second"))
    assert queue.cancel(0.0, "first") == []
    assert queue.cancel(0.0, "running") == [Start("second", "one")]
    assert queue.cancel(0.0, "running") == []
    assert queue.cancel(0.0, "second") == []
    assert (queue.waiting, queue.running) == (0, 0)


def test_the_least_busy_backend_for_its_weight_is_taken() -> None:
    queue = scheduler(backend("light", 10, weight=1.0), backend("heavy", 10, weight=3.0))
    for number in range(8):
        queue.submit(0.0, entry(str(number)))
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
    assert queue.submit(0.0, entry("1", target="fast")) == [Start("1", "a")]
    assert queue.submit(0.0, entry("2", target="fast")) == []
    assert queue.submit(0.0, entry("3", target="complex")) == [Start("3", "b")]
    assert queue.finish(0.0, "3") == []
    assert queue.finish(0.0, "1") == [Start("2", "a")]


def test_an_unknown_target_is_rejected_at_once() -> None:
    assert scheduler().submit(0.0, entry("1", target="none")) == [Reject("1", Why.NO_BACKEND)]


def test_a_restart_of_the_backend_is_bridged() -> None:
    queue = scheduler(backend(available=False))
    assert queue.submit(1.0, entry("1")) == []
    back = queue.update_backends(OUTAGE_GRACE - 1, [backend()])
    assert back == [Start("1", "one")]


def test_an_outage_is_told_after_its_grace() -> None:
    queue = scheduler(backend(available=False))
    queue.submit(1.0, entry("1"))
    assert queue.next_due() == OUTAGE_GRACE
    assert queue.tick(OUTAGE_GRACE) == [Reject("1", Why.NO_BACKEND)]
    assert queue.submit(OUTAGE_GRACE, entry("2")) == [Reject("2", Why.NO_BACKEND)]


def test_what_runs_on_a_removed_backend_ends_there_and_frees_nothing_else() -> None:
    queue = scheduler(backend("old"))
    queue.submit(0.0, entry("1"))
    queue.submit(0.0, entry("2"))
    assert queue.update_backends(1.0, [backend("new")]) == [Start("2", "new")]
    assert queue.snapshot(1.0).running == {"old": 1, "new": 1}
    assert queue.finish(2.0, "1") == []
    assert queue.snapshot(2.0).running == {"new": 1}


def test_fewer_slots_are_reached_by_waiting_not_by_killing() -> None:
    queue = scheduler(backend(slots=3))
    for number in range(4):
        queue.submit(0.0, entry(str(number)))
    queue.update_backends(1.0, [backend(slots=1)])
    assert queue.finish(1.0, "0") == []
    assert queue.finish(1.0, "1") == []
    assert queue.finish(1.0, "2") == [Start("3", "one")]


def test_an_entry_whose_backend_failed_goes_to_another() -> None:
    queue = scheduler(backend("a", slots=2), backend("b", slots=1))
    queue.submit(0.0, entry("1"))
    queue.submit(0.0, entry("2"))
    assert queue.snapshot(0.0).running == {"a": 1, "b": 1}
    queue.update_backends(1.0, [backend("a", 2, available=False), backend("b")])
    assert queue.again(1.0, "1") == []
    assert queue.finish(2.0, "2") == [Start("1", "b")]


def test_an_entry_that_comes_back_is_let_in_though_the_queue_is_full() -> None:
    queue = scheduler(limit=0)
    queue.submit(0.0, entry("1"))
    queue.update_backends(1.0, [backend(available=False)])
    assert queue.again(1.0, "1") == []
    assert queue.update_backends(2.0, [backend()]) == [Start("1", "one")]


def test_the_snapshot_says_who_waits_and_how_long() -> None:
    queue = scheduler()
    queue.submit(0.0, entry("1"))
    queue.submit(2.0, entry("2", priority=LOW))
    queue.submit(3.0, entry("3", priority=HIGH))
    shot = queue.snapshot(10.0)
    assert shot.waiting == {HIGH: 1, MEDIUM: 0, LOW: 1}
    assert shot.running == {"one": 1}
    assert shot.oldest_wait == 8.0


def calls_per_operation(waiting: int) -> float:
    """Python calls that one operation takes on average with so many waiting."""
    queue = scheduler(backend(slots=4, targets="fast standard complex"), limit=20_000)
    for number in range(waiting):
        target = ("fast", "standard", "complex")[number % 3]
        queue.submit(0.0, entry(f"w{number}", f"c{number % 500}", LOW, target, 1e9))
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        for number in range(200):
            queue.submit(1.0, entry(f"n{number}", f"c{number % 500}", HIGH, deadline=1e9))
            queue.tick(1.0)
            queue.next_due()
            queue.cancel(1.0, f"n{number}")
    finally:
        sys.setprofile(None)
    return calls / 200


def test_ten_thousand_waiting_cost_no_more_an_operation_than_ten() -> None:
    assert calls_per_operation(10_000) < 2 * calls_per_operation(10)
