"""What happens to an entry that finds the queue full, in entries or in bytes."""

from __future__ import annotations

from typing import Any

from sutazai.fleet.serving import Overflow
from sutazai.gateway.queue.entries import Limits, Reject, Why
from sutazai.gateway.queue.scheduler import Scheduler
from tests.gateway.queue.stories import HIGH, LOW, entry, many, scheduler, started, submit

SHED = Overflow.SHED_LOWEST


def refused(queue: Scheduler, *args: Any, **more: Any) -> bool:
    decisions = queue.submit(0.0, entry(*args, **more))
    return [each.why for each in decisions if isinstance(each, Reject)] == [Why.QUEUE_FULL]


def test_a_full_queue_rejects_the_next_one() -> None:
    queue = scheduler(entries=1)
    submit(queue, [entry("running"), entry("waits")])
    assert refused(queue, "late")
    queue.update_limits(Limits(entries=2))
    assert not refused(queue, "later")


def test_so_does_one_that_holds_too_many_bytes() -> None:
    queue = scheduler(bytes=100)
    submit(queue, [entry("running", size=1000), entry("waits", size=60)])
    assert refused(queue, "large", size=41)
    assert not refused(queue, "small", size=40)
    queue.finish(1.0, "running")
    assert not refused(queue, "large", size=41)


def test_what_can_start_at_once_is_never_too_large() -> None:
    queue = scheduler(bytes=10)
    assert started(queue.submit(0.0, entry("large", size=1000))) == ["large"]


def test_another_tier_is_the_callers_business() -> None:
    queue = scheduler(entries=0, overflow=Overflow.ANOTHER_TIER)
    queue.submit(0.0, entry("running"))
    assert refused(queue, "1")


def test_the_newest_of_the_lowest_priority_makes_way() -> None:
    queue = scheduler(entries=3, overflow=SHED)
    submit(queue, [entry("running"), entry("m"), entry("l0", priority=LOW)])
    queue.submit(0.0, entry("l1", priority=LOW))
    assert queue.submit(0.0, entry("h", priority=HIGH)) == [Reject("l1", Why.SHED)]
    assert queue.submit(0.0, entry("m2")) == [Reject("l0", Why.SHED)]
    assert queue.waiting == 3


def test_of_the_client_that_has_most_of_these() -> None:
    queue = scheduler(entries=4, overflow=SHED)
    submit(queue, [entry("running"), *many(3, "greedy", LOW), entry("modest", "m", LOW)])
    assert queue.submit(0.0, entry("h", priority=HIGH)) == [Reject("greedy2", Why.SHED)]


def test_nobody_makes_way_for_one_of_lower_priority() -> None:
    queue = scheduler(entries=1, overflow=SHED)
    submit(queue, [entry("running"), entry("m")])
    assert refused(queue, "l", "other", LOW)


def test_among_equals_the_client_that_has_most_makes_way() -> None:
    queue = scheduler(entries=3, overflow=SHED)
    submit(queue, [entry("running"), *many(3, "greedy")])
    assert queue.submit(0.0, entry("x", "x")) == [Reject("greedy2", Why.SHED)]
    assert refused(queue, "greedy9", "greedy")


def test_until_it_has_no_more_than_the_newcomer_would_have() -> None:
    queue = scheduler(entries=2, overflow=SHED)
    submit(queue, [entry("running"), entry("a", "a"), entry("b", "b")])
    assert refused(queue, "c", "c")
    assert refused(queue, "a2", "a")


def test_several_make_way_for_a_large_one() -> None:
    queue = scheduler(bytes=100, overflow=SHED)
    submit(queue, [entry("running"), *many(10, "l", LOW, size=10)])
    shed = queue.submit(0.0, entry("h", priority=HIGH, size=35))
    assert [each.id for each in shed] == ["l9", "l8", "l7", "l6"]
    assert queue.snapshot(0.0).size == 95


def test_nobody_makes_way_in_vain() -> None:
    queue = scheduler(bytes=100, overflow=SHED)
    submit(queue, [entry("running"), *many(5, "l", LOW, size=10)])
    submit(queue, [entry("m", size=50)])
    assert refused(queue, "h", "x", HIGH, size=101)
    assert refused(queue, "m2", "x", size=51)
    assert queue.waiting == 6
