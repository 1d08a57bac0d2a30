"""Entries that leave, come back, linger, or are held."""

from __future__ import annotations

from sutazai.gateway.queue.entries import Expire, Reject, Start, Why
from sutazai.gateway.queue.outages import OUTAGE_GRACE
from tests.gateway.queue.stories import backend, drain, entry, many, scheduler, started, submit


def test_cancelling_works_in_every_state() -> None:
    queue = scheduler()
    submit(queue, [entry("running"), entry("first"), entry("second")])
    assert queue.cancel(0.0, "first") == []
    assert started(queue.cancel(0.0, "running")) == ["second"]
    assert queue.cancel(0.0, "running") == []
    assert queue.cancel(0.0, "second") == []
    assert (queue.waiting, queue.running) == (0, 0)


def test_a_slot_is_busy_until_the_backend_has_really_stopped() -> None:
    queue = scheduler()
    submit(queue, [entry("leaver"), entry("next")])
    assert queue.cancel(1.0, "leaver", linger=True) == []
    assert queue.snapshot(1.0).leaving == 1
    assert queue.submit(1.0, entry("other")) == []
    assert started(queue.finish(2.0, "leaver")) == ["next"]
    assert queue.snapshot(2.0).leaving == 0


def test_who_waits_does_not_linger() -> None:
    queue = scheduler()
    submit(queue, [entry("running"), entry("waits")])
    queue.cancel(0.0, "waits", linger=True)
    assert (queue.waiting, queue.running) == (0, 1)


# coming back


def test_an_entry_whose_backend_failed_goes_to_another() -> None:
    queue = scheduler(backend("a"), backend("b"))
    assert queue.submit(0.0, entry("1")) == [Start("1", "a", 0)]
    assert queue.again(1.0, "1", without={"a"}) == [Start("1", "b", 0)]


def test_an_entry_waits_for_another_backend_though_its_own_is_free() -> None:
    queue = scheduler(backend("a"), backend("b"))
    submit(queue, [entry("1"), entry("2")])
    assert queue.again(1.0, "1", without={"a"}) == []
    assert queue.submit(1.0, entry("3")) == [Start("3", "a", 0)]
    assert queue.tick(2 * OUTAGE_GRACE) == []  # busy is not away
    assert queue.finish(2 * OUTAGE_GRACE, "2") == [Start("1", "b", 0)]


def test_backends_that_failed_an_entry_add_up_until_none_is_left() -> None:
    queue = scheduler(backend("a"), backend("b"))
    queue.submit(0.0, entry("1"))
    assert queue.again(1.0, "1", without={"a"}) == [Start("1", "b", 0)]
    assert queue.again(2.0, "1", without={"b"}) == [Reject("1", Why.NO_BACKEND)]
    assert (queue.waiting, queue.running) == (0, 0)


def test_the_slot_of_an_entry_that_cannot_come_back_goes_to_the_next() -> None:
    queue = scheduler(backend("a"))
    submit(queue, [entry("1"), entry("2")])
    assert queue.again(1.0, "1", without={"a"}) == [
        Reject("1", Why.NO_BACKEND),
        Start("2", "a", 0),
    ]


def test_the_other_backend_is_waited_for_while_it_restarts() -> None:
    queue = scheduler(backend("a"), backend("b", available=False))
    queue.submit(0.0, entry("1"))
    assert queue.again(1.0, "1", without={"a"}) == []
    assert queue.next_due() == 1.0 + OUTAGE_GRACE
    assert queue.tick(1.0 + OUTAGE_GRACE) == [Reject("1", Why.NO_BACKEND)]


def test_an_entry_falls_back_to_another_target() -> None:
    queue = scheduler(backend("a", targets="complex"), backend("b", targets="standard"))
    queue.submit(0.0, entry("1", target="complex"))
    assert queue.again(1.0, "1", target="standard") == [Start("1", "b", 0)]


def test_an_entry_that_comes_back_goes_before_its_clients_others_and_is_not_charged() -> None:
    queue = scheduler(backend("a", targets="standard"))
    submit(queue, [entry("a0", "a"), *many(2, "b"), entry("a1", "a")])
    queue.update_backends(1.0, [backend("a", available=False)])
    assert queue.again(9.0, "a0") == []
    assert started(queue.update_backends(9.5, [backend("a")])) == ["a0"]
    assert drain(queue, "a0", now=9.5, each=1.0) == ["b0", "a1", "b1"]


def test_an_entry_that_comes_back_is_let_in_though_the_queue_is_full() -> None:
    queue = scheduler(entries=0)
    queue.submit(0.0, entry("1"))
    queue.update_backends(1.0, [backend(available=False)])
    assert queue.again(1.0, "1") == []
    assert started(queue.update_backends(2.0, [backend()])) == ["1"]


def test_an_entry_that_comes_back_knows_its_position() -> None:
    queue = scheduler()
    queue.submit(0.0, entry("1"))
    submit(queue, many(3, "a"), 0.0)
    queue.update_backends(1.0, [backend(available=False)])
    queue.again(1.0, "1")
    positions = [queue.position(1.0, key) for key in ("1", "a0", "a1", "a2")]
    assert [position and position.ahead for position in positions] == [0, 1, 2, 3]


# holding


def test_while_agents_are_paused_others_go_on() -> None:
    queue = scheduler()
    submit(queue, [entry("runs", agent=True), entry("held", agent=True), entry("person")])
    assert queue.pause(1.0) == []
    assert started(queue.finish(2.0, "runs")) == ["person"]
    assert queue.finish(3.0, "person") == []
    assert queue.submit(4.0, entry("late", agent=True)) == []
    assert queue.submit(4.0, entry("other")) == [Start("other", "one", 0)]
    assert queue.snapshot(4.0).paused
    queue.finish(5.0, "other")
    assert started(queue.resume(6.0)) == ["held"]


def test_who_is_held_still_has_a_deadline() -> None:
    queue = scheduler()
    queue.pause(0.0)
    queue.submit(0.0, entry("held", agent=True, deadline=10.0))
    assert queue.next_due() == 10.0
    assert queue.tick(10.0) == [Expire("held")]
