"""Requests that begin alike meet the same slot and follow each other, within bounds."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sutazai.gateway.queue.entries import Decision, Entry, Start
from sutazai.gateway.queue.ranking import AFFINITY_LEAD, AFFINITY_RUN, AGED_EVERY
from sutazai.gateway.queue.scheduler import Scheduler
from sutazai.gateway.queue.slots import Slots
from sutazai.gateway.queue.waiting import AGED_AFTER
from tests.examples import tried
from tests.gateway.queue.stories import (
    HIGH,
    LOW,
    backend,
    clients,
    drain,
    entry,
    many,
    scheduler,
    started,
    submit,
)


def slot_of(queue: Scheduler, one: Entry, now: float = 0.0) -> tuple[str, int]:
    (decision,) = queue.submit(now, one)
    assert isinstance(decision, Start)
    return decision.backend, decision.slot


# where


def test_an_entry_meets_the_slot_that_ran_its_prefix() -> None:
    queue = scheduler(backend(slots=3))
    places = {}
    for name in "xyz":
        places[name] = slot_of(queue, entry(name, name, prefix=name))
    for name in "xyz":
        queue.finish(1.0, name)
    for name in "zxy":
        assert slot_of(queue, entry(name, name, prefix=name), 2.0) == places[name]


def test_another_prefix_takes_the_slot_that_was_used_least_recently() -> None:
    queue = scheduler(backend(slots=2))
    submit(queue, [entry("x", prefix="x"), entry("y", prefix="y")])
    queue.finish(1.0, "y")
    queue.finish(2.0, "x")
    slot_of(queue, entry("z", prefix="z"), 3.0)
    assert slot_of(queue, entry("x", prefix="x"), 3.0) == ("one", 0)


def test_of_equally_busy_backends_the_one_that_ran_the_prefix_is_taken() -> None:
    queue = scheduler(backend("a"), backend("b"))
    home = slot_of(queue, entry("1", prefix="x"))
    queue.finish(1.0, "1")
    for number in range(5):
        assert slot_of(queue, entry("1", prefix="x"), number + 2.0) == home
        queue.finish(number + 2.5, "1")


def test_a_busier_backend_is_not_taken_for_that() -> None:
    queue = scheduler(backend("a", 2), backend("b", 2))
    submit(queue, [entry("1", prefix="x"), entry("2", prefix="x")])
    queue.finish(1.0, "1")
    queue.submit(2.0, entry("3", prefix="y"))  # on the one that is idle
    assert slot_of(queue, entry("4", prefix="z"), 2.0) != ("a", 5)
    assert queue.snapshot(2.0).running in ({"a": 1, "b": 2}, {"a": 2, "b": 1})


def test_a_backend_that_was_away_remembers_nothing() -> None:
    queue = scheduler(backend(slots=2))
    submit(queue, [entry("x", prefix="x"), entry("y", prefix="y")])
    queue.finish(1.0, "x")
    queue.finish(2.0, "y")
    queue.update_backends(3.0, [backend(slots=2, available=False)])
    queue.update_backends(4.0, [backend(slots=2)])
    assert slot_of(queue, entry("y", prefix="y"), 5.0) == ("one", 0)


@tried(30, 1000, data=st.data())
def test_slots_are_never_given_twice(data: st.DataObject) -> None:
    slots, count, used = Slots(2), 2, set[int]()
    for _ in range(data.draw(st.integers(1, 40))):
        what = data.draw(st.sampled_from(["take", "release", "resize", "forget"]))
        if what == "take" and len(used) < count:
            index = slots.take(data.draw(st.sampled_from(["", "x", "y"])))
            assert index not in used and index < count
            used.add(index)
        elif what == "release" and used:
            index = data.draw(st.sampled_from(sorted(used)))
            used.remove(index)
            slots.release(index)
        elif what == "resize":
            count = data.draw(st.integers(0, 4))
            slots.resize(count)
        elif what == "forget":
            slots.forget()
            assert not list(slots.warm())


# when


def test_those_who_begin_alike_follow_each_other() -> None:
    queue = scheduler()
    queue.submit(0.0, entry("running", "other"))
    submit(
        queue, [one for pair in zip(*(two(4, name) for name in "ab"), strict=True) for one in pair]
    )
    order = clients(drain(queue, "running", each=1.0))
    assert order in ("aaaabbbb", "bbbbaaaa")


def two(count: int, client: str, **more: Any) -> list[Entry]:
    return many(count, client, prefix=client, **more)


def test_within_the_bound_on_a_clients_lead() -> None:
    queue = scheduler()
    queue.submit(0.0, entry("running", "other"))
    submit(queue, [*two(100, "a"), *two(100, "b"), *two(100, "c")])
    order = clients(drain(queue, "running", each=1.0))
    got = dict.fromkeys("abc", 0)
    for client in order[:250]:
        got[client] += 1
        assert max(got.values()) - min(got.values()) <= AFFINITY_LEAD + 2
    assert longest_run(order[:250]) <= AFFINITY_RUN


def test_so_many_in_a_row_at_most_though_the_same_client_is_due() -> None:
    """One client with two prefixes: turns do not bound it, so the run does."""
    queue = scheduler()
    queue.submit(0.0, entry("running", "a", prefix="x"))
    submit(
        queue, [*many(5, "a", prefix="y"), *[entry(f"x{n}", "a", prefix="x") for n in range(30)]]
    )
    order = clients(drain(queue, "running", each=1.0))
    assert order.startswith("x" * AFFINITY_RUN + "aaaaa" + "x")


def test_a_prefix_of_many_clients_keeps_its_slot_for_a_bounded_run() -> None:
    queue = scheduler()
    queue.submit(0.0, entry("running", "other", prefix="shared"))
    for number in range(40):
        submit(queue, [entry(f"s{number}", f"client{number}", prefix="shared")])
    submit(queue, two(5, "m"))
    order = clients(drain(queue, "running", each=1.0))
    assert order.count("s") == 40
    assert order.index("m") <= 40


def test_affinity_never_delays_a_higher_priority() -> None:
    queue = scheduler()
    queue.submit(0.0, entry("running", "l", LOW, prefix="l"))
    submit(queue, two(20, "l", priority=LOW))
    queue.submit(0.5, entry("h", "h", HIGH, prefix="h"))
    assert drain(queue, "running", each=1.0)[0] == "h"


def test_nor_who_has_aged() -> None:
    queue = scheduler()
    queue.submit(0.0, entry("running", "h", HIGH, prefix="h"))
    queue.submit(0.0, entry("l", "l", LOW, prefix="l"))
    submit(queue, two(100, "h", priority=HIGH), AGED_AFTER)
    assert "l" in drain(queue, "running", now=AGED_AFTER)[:AGED_EVERY]


def longest_run(order: str) -> int:
    longest = run = 0
    for before, client in pairwise(" " + order):
        run = run + 1 if client == before else 1
        longest = max(longest, run)
    return longest


# what it is good for


def test_most_starts_of_a_backlog_find_their_prompt_on_the_slot() -> None:
    """69 agents of distinct prompts, two slots, calls in random order: of four starts in a row,
    three meet the prompt that ran before. In random order it would be one in 69."""
    chance = random.Random(4)
    queue = scheduler(backend(slots=2))
    entries = [one for agent in range(69) for one in two(8, f"agent{agent}-")]
    chance.shuffle(entries)
    hits = served(queue, entries, chance)
    assert hits / len(entries) > 0.7


def served(queue: Scheduler, entries: list[Entry], chance: random.Random) -> int:
    """Serves all of them, calls of varied length; how many met their prefix on their slot."""
    prefix_of = {each.id: each.prefix for each in entries}
    last: dict[int, str] = {}
    hits, now = 0, 0.0
    running: dict[str, float] = {}

    def note(decisions: list[Decision]) -> None:
        nonlocal hits
        for each in decisions:
            assert isinstance(each, Start)
            hits += last.get(each.slot) == prefix_of[each.id]
            last[each.slot] = prefix_of[each.id]
            running[each.id] = now + chance.uniform(0.5, 1.5)

    note(submit(queue, entries))
    while running:
        first = min(running, key=lambda key: running[key])
        now = running.pop(first)
        note(queue.finish(now, first))
    assert queue.waiting == 0
    return hits


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 4))
def test_backlogged_clients_stay_close_whatever_their_calls_take(
    chance: random.Random, slots: int
) -> None:
    """Within the stated lead, one call, and what runs at once on the other slots."""
    queue = scheduler(backend(slots=slots))
    got = dict.fromkeys("abcdef", 0.0)
    ends: dict[str, tuple[float, float]] = {}  # id → when it ends, what it took
    now = 0.0

    def note(decisions: list[Decision]) -> None:
        for key in started(decisions):
            took = chance.uniform(0.2, 1.0)
            ends[key] = now + took, took

    note(submit(queue, [one for client in got for one in two(60, client, cost=0.6)]))
    for _ in range(200):
        first = min(ends, key=lambda key: ends[key])
        now, took = ends.pop(first)
        got[first[0]] += took
        note(queue.finish(now, first))
        lead = max(got.values()) - min(got.values())
        # A cost that is weighed late counts for more, by a fifth in all this time.
        assert lead <= 1.2 * (AFFINITY_LEAD * 0.7 + (slots + 1) * 1.0)
