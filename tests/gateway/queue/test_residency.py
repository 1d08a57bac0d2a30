"""Backends that hold few models: what waits is collected by model."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sutazai.fleet.declared import Priority
from sutazai.gateway.queue.entries import Decision, Entry, Start
from sutazai.gateway.queue.lanes import Backend
from sutazai.gateway.queue.residency import LOAD_WORTH, PAUSE, STAY
from sutazai.gateway.queue.scheduler import Scheduler
from sutazai.gateway.queue.waiting import AGED_AFTER
from tests.gateway.queue.stories import (
    HIGH,
    LOW,
    NEVER,
    backend,
    drain,
    entry,
    many,
    scheduler,
    started,
    submit,
)

BOTH = "a=A b=B"


def ollama(name: str = "one", slots: int = 1, resident: str = "A", capacity: int = 1) -> Backend:
    return backend(name, slots, targets=BOTH, resident=resident, capacity=capacity)


def one_lane(slots: int = 1, resident: str = "A", capacity: int = 1) -> Scheduler:
    return scheduler(ollama(slots=slots, resident=resident, capacity=capacity))


def of(target: str, count: int, client: str = "", **more: Any) -> list[Entry]:
    return many(count, client or target, target=target, **more)


def swaps(order: list[str]) -> int:
    return sum(one[0] != other[0] for one, other in pairwise(order))


def test_entries_of_the_loaded_model_go_first() -> None:
    queue = one_lane()
    queue.submit(0.0, entry("a-runs", target="a"))
    submit(queue, [*of("b", 2), *of("a", 3)])
    assert drain(queue, "a-runs", each=1.0, most=3) == ["a0", "a1", "a2"]


def test_a_model_that_nobody_wants_any_more_makes_way_at_once() -> None:
    queue = one_lane()
    assert queue.submit(STAY, entry("b", target="b")) == [Start("b", "one", 0)]


def test_one_that_was_loaded_lately_stays_a_moment_for_the_next_call_of_its_client() -> None:
    queue = one_lane()
    queue.submit(0.0, entry("a0", target="a"))
    queue.finish(1.0, "a0")
    assert queue.submit(1.1, entry("b", "other", target="b")) == []
    assert queue.next_due() == 1.0 + PAUSE
    assert queue.submit(1.2, entry("a1", target="a")) == [Start("a1", "one", 0)]
    queue.finish(3.0, "a1")
    assert queue.tick(3.0 + PAUSE) == [Start("b", "one", 0)]


def test_two_clients_that_ask_in_turns_do_not_make_the_backend_load_each_time() -> None:
    queue = one_lane()
    order, now = [], 0.0
    current = queue.submit(now, entry("a0", "a", target="a"))
    queue.submit(now, entry("b0", "b", target="b"))
    for number in range(1, 200):
        (now_running,) = started(current)
        order.append(now_running)
        now += 1.0
        current = queue.finish(now, now_running)
        now += 0.01  # the client thinks
        current += queue.submit(
            now, entry(f"{now_running[0]}{number}", now_running[0], target=now_running[0])
        )
        if not current:
            due = queue.next_due()
            assert due is not None
            now = due
            current = queue.tick(now)
    assert swaps(order) <= now / STAY + 1
    assert {each[0] for each in order} == {"a", "b"}


def test_what_is_wanted_more_comes_after_the_stay_and_not_before() -> None:
    queue = one_lane()
    queue.submit(0.0, entry("a-runs", target="a"))
    submit(queue, [*of("a", 60), *of("b", 100)])
    order = drain(queue, "a-runs", each=1.0)
    first = [each[0] for each in order].index("b")
    assert STAY - 1 <= first <= STAY + 1
    assert swaps(order) <= len(order) / STAY + 1


def test_demand_at_a_higher_priority_outweighs_any_at_a_lower_one() -> None:
    queue = one_lane()
    queue.submit(0.0, entry("a-runs", target="a"))
    submit(queue, [*of("a", 100), entry("b-high", "other", HIGH, "b")], 0.0)
    order = drain(queue, "a-runs", each=1.0)
    assert order.index("b-high") <= STAY + 1
    assert swaps(order) == 2


def test_little_demand_comes_when_it_has_aged() -> None:
    queue = one_lane()
    queue.submit(0.0, entry("a-runs", target="a"))
    submit(queue, of("a", 10), 0.0)
    queue.submit(1.0, entry("b", "other", target="b"))
    order, now, current = [], 0.0, "a-runs"
    for number in range(50):
        now += 1.0
        submit(queue, [entry(f"a-more{number}", "a", target="a")], now)
        (current,) = started(queue.finish(now, current)) or started(queue.tick(now + PAUSE))
        order.append(current)
    assert order.index("b") <= 1 + AGED_AFTER + 10 + 1


def test_while_a_swap_is_due_nothing_more_of_the_old_model_starts() -> None:
    queue = one_lane(slots=2)
    submit(queue, [entry("a-long", target="a"), entry("a-short", target="a")])
    submit(queue, [*of("a", 5), *of("b", 50)])
    assert queue.finish(STAY + 1, "a-short") == []
    assert queue.submit(STAY + 2, entry("a-new", "z", target="a")) == []
    assert started(queue.finish(STAY + 3, "a-long")) == ["b0", "b1"]


def test_a_swap_that_nobody_wants_any_more_is_dropped() -> None:
    queue = one_lane(slots=2)
    submit(queue, [entry("a-long", target="a"), entry("a-short", target="a")])
    submit(queue, [*of("a", 5), entry("b", cost=50.0, target="b")])
    assert queue.finish(STAY + 1, "a-short") == []
    assert started(queue.cancel(STAY + 2, "b")) == ["a0"]


def test_with_room_for_both_nobody_makes_way() -> None:
    queue = one_lane(slots=2, capacity=2)
    decisions = submit(queue, [entry("a", target="a"), entry("b", target="b")])
    assert started(decisions) == ["a", "b"]


def test_the_model_that_is_wanted_least_makes_way() -> None:
    three = "a=A b=B c=C"
    queue = scheduler(backend(slots=1, targets=three, resident="A B", capacity=2))
    queue.submit(STAY, entry("a-runs", target="a"))
    submit(queue, [*of("a", 3), *of("c", 1)], STAY)
    order = drain(queue, "a-runs", now=STAY, each=1.0)
    assert sorted(order) == ["a0", "a1", "a2", "c0"]
    assert queue.submit(99.0, entry("a-more", target="a")) == [Start("a-more", "one", 0)]


def test_an_entry_goes_where_its_model_is_loaded_though_that_is_busier() -> None:
    queue = scheduler(ollama("one", 4, "A"), ollama("two", 4, "B"))
    for number in range(3):
        (decision,) = queue.submit(0.0, entry(f"b{number}", target="b"))
        assert isinstance(decision, Start) and decision.backend == "two"


def test_and_waits_for_room_there_a_little() -> None:
    queue = scheduler(ollama("one", 1, "A"), ollama("two", 1, "B"))
    queue.submit(STAY, entry("b0", target="b"))
    assert queue.submit(STAY, entry("b1", target="b")) == []
    assert queue.next_due() == STAY + LOAD_WORTH
    assert queue.tick(STAY + LOAD_WORTH) == [Start("b1", "one", 0)]


def test_where_much_waits_another_backend_loads_the_model_at_once() -> None:
    queue = scheduler(ollama("one", 1, "A"), ollama("two", 1, "B"))
    queue.submit(STAY, entry("b0", target="b"))
    decisions = submit(queue, of("b", 10, "more"), STAY)
    assert started(decisions) == ["more0"] or len(started(decisions)) == 1


def test_what_the_backend_tells_counts() -> None:
    queue = one_lane()
    queue.update_backends(1.0, [ollama(resident="B")])
    assert queue.submit(1.0, entry("b", target="b")) == [Start("b", "one", 0)]
    assert queue.submit(1.0, entry("a", target="a")) == []


def test_old_news_does_not_undo_a_swap() -> None:
    queue = one_lane()
    queue.submit(STAY, entry("b0", target="b"))
    queue.finish(STAY + 1, "b0")
    queue.update_backends(STAY + 1, [ollama(slots=2)])
    assert queue.submit(STAY + 1, entry("b1", target="b")) == [Start("b1", "one", 0)]


def test_low_priority_of_the_loaded_model_does_not_keep_high_waiting_for_long() -> None:
    queue = one_lane()
    queue.submit(0.0, entry("a-runs", "a", LOW, "a"))
    submit(queue, of("a", 100, priority=LOW))
    submit(queue, of("b", 3, priority=HIGH), STAY)
    order = drain(queue, "a-runs", now=STAY, each=1.0)
    assert order[:3] == ["b0", "b1", "b2"]


arrivals = st.lists(
    st.tuples(st.floats(0, 5), st.sampled_from("abc"), st.sampled_from([HIGH, LOW])),
    min_size=1,
    max_size=120,
)


@settings(max_examples=60, deadline=None)
@given(arrivals, st.integers(1, 2), st.integers(1, 3), st.integers(1, 2))
def test_whatever_waits_is_served_without_many_swaps(
    arrivals: list[tuple[float, str, Priority]], lanes: int, slots: int, capacity: int
) -> None:
    """Calls for three models, a second each; everything is served, each backend loads a model
    once in a stay or when it has nothing else to do, and no slot stays free for long."""
    queue = scheduler(
        *(
            backend(f"lane{lane}", slots, targets="a=A b=B c=C", resident="A", capacity=capacity)
            for lane in range(lanes)
        )
    )
    work, now = 0.0, 0.0
    ends: list[tuple[float, str]] = []
    loads: dict[str, list[str]] = {f"lane{lane}": [] for lane in range(lanes)}

    def note(decisions: list[Decision]) -> None:
        for each in decisions:
            assert isinstance(each, Start)
            heappush(ends, (now + 1.0, each.id))
            loads[each.backend].append(each.id[0])

    coming = []
    for number, (pause, target, priority) in enumerate(arrivals):
        work += pause
        coming.append((work, entry(f"{target}{number}", target, priority, target)))
    while coming or ends or queue.waiting:
        due = queue.next_due() or NEVER
        times = [due, ends[0][0] if ends else NEVER, coming[0][0] if coming else NEVER]
        now = min(times)
        assert now < work + 40 * len(arrivals) + 200, "something starves"
        if now == times[1]:
            note(queue.finish(now, heappop(ends)[1]))
        elif now == times[2]:
            note(queue.submit(now, coming.pop(0)[1]))
        else:
            note(queue.tick(now))
            assert (queue.next_due() or NEVER) > now, "the same is due again and again"
    for order in loads.values():
        assert capacity > 1 or swaps(order) <= now / STAY + now / (1.0 + PAUSE) + 1
