"""Turns among clients: who attained least service is next."""

from __future__ import annotations

import pytest

from sutazai.gateway.queue.fairness import ACCOUNTS_KEPT, HALF_LIFE, Turns
from sutazai.gateway.queue.scheduler import Scheduler
from tests.gateway.queue.stories import (
    HIGH,
    backend,
    clients,
    drain,
    entry,
    many,
    scheduler,
    started,
    submit,
)


def test_clients_take_turns_however_much_one_of_them_asks() -> None:
    queue = scheduler()
    submit(queue, [entry("running", "greedy"), *many(50, "greedy")])
    submit(queue, [*many(3, "x"), *many(3, "y")])
    order = clients(drain(queue, "running", each=1.0))
    assert sorted(order[:9]) == sorted("gxygxygxy")


def test_turns_hold_across_targets_that_share_a_backend() -> None:
    queue = scheduler(backend(targets="fast standard"))
    submit(queue, [entry("running", "greedy"), *many(8, "greedy")])
    submit(queue, many(2, "x", target="fast"))
    assert {"x0", "x1"} <= set(drain(queue, "running", each=1.0)[:4])


def test_who_takes_longer_is_served_less_often() -> None:
    queue = scheduler()
    queue.submit(0.0, entry("running", "other"))
    submit(queue, [*many(40, "slow", cost=4.0), *many(40, "quick", cost=1.0)])
    order: list[str] = []
    current, now = "running", 0.0
    while len(order) < 40:
        now += 4.0 if current.startswith("slow") else 1.0
        (current,) = started(queue.finish(now, current))
        order.append(current)
    assert clients(order).count("s") == pytest.approx(40 / 5, abs=1)


def test_what_a_call_took_counts_and_not_what_was_expected_of_it() -> None:
    """Both are expected to take a second; one takes four."""
    queue = scheduler()
    queue.submit(0.0, entry("running", "other"))
    submit(queue, [*many(40, "slow"), *many(40, "quick")])
    order: list[str] = []
    current, now = "running", 0.0
    while len(order) < 40:
        now += 4.0 if current.startswith("slow") else 1.0
        (current,) = started(queue.finish(now, current))
        order.append(current)
    assert clients(order).count("s") == pytest.approx(40 / 5, abs=2)


def test_a_cost_that_is_told_counts_before_time() -> None:
    queue = scheduler()
    queue.submit(0.0, entry("running", "other"))
    submit(queue, [*many(20, "a"), *many(20, "b")])
    order: list[str] = []
    current, now = "running", 0.0
    while len(order) < 20:
        now += 1.0
        cost = 3.0 if current.startswith("a") else 1.0
        (current,) = started(queue.finish(now, current, cost))
        order.append(current)
    assert clients(order).count("a") == pytest.approx(5, abs=1)


def test_a_refund_counts_at_once_though_the_client_waits() -> None:
    queue = scheduler()
    queue.submit(0.0, entry("running", "other"))
    submit(queue, [*many(3, "a", cost=100.0), *many(5, "b", cost=1.0)])
    # Expected to take a hundred seconds, a's calls take none.
    assert clients(drain(queue, "running", each=0.001)[:4]) in ("abab", "baba", "abaa", "baab")


def test_a_client_cannot_save_up_turns_while_it_is_away() -> None:
    queue = scheduler()
    submit(queue, [entry("running", "busy"), *many(60, "busy")])
    last = drain(queue, "running", each=1.0, most=30)[-1]
    submit(queue, many(20, "newcomer"), now=30.0)
    order = clients(drain(queue, last, now=30.0, each=1.0)[:10])
    assert order.count("n") == 5


def test_nor_while_nobody_waits_for_a_moment() -> None:
    queue = scheduler()
    submit(queue, [entry("running", "busy"), *many(30, "busy")])
    last = drain(queue, "running", each=1.0, most=30)[-1]
    submit(queue, many(20, "newcomer"), now=30.0)
    submit(queue, many(20, "a"), now=30.0)
    order = clients(drain(queue, last, now=30.0, each=1.0)[:10])
    assert order.count("n") == 5


def test_a_client_whose_queue_is_empty_for_a_moment_is_not_forgiven() -> None:
    queue = scheduler()
    submit(queue, [entry("g-first", "greedy"), *many(10, "x"), *many(10, "y")])
    (current,) = started(queue.finish(1.0, "g-first", cost=5.0))
    submit(queue, many(10, "greedy"), now=1.5)
    order = clients([current, *drain(queue, current, now=1.0, each=1.0, most=12)])
    assert sorted(order[:8]) == sorted("xyxyxyxy")
    assert "g" in order[8:12]


def test_old_service_fades() -> None:
    turns = Turns()
    old, new = turns.account("old"), turns.account("new")
    turns.charge(0.0, old, 8.0)
    turns.charge(3 * HALF_LIFE, new, 1.0)
    assert old.tag == pytest.approx(new.tag)


def test_accounts_hold_over_years_of_idling_and_work() -> None:
    turns = Turns()
    account = turns.account("a")
    for year in range(20):
        turns.charge(year * 3.15e7, account, 5.0)
        assert account.tag == pytest.approx(5.0)
    turns.settle(account, charged=5.0, at=19 * 3.15e7, cost=0.0)
    assert account.tag == pytest.approx(0.0)


def test_who_waits_keeps_its_place_when_accounts_are_scaled_back() -> None:
    queue = scheduler()
    submit(queue, [entry("running", "other"), *many(5, "a"), *many(5, "b")])
    later = HALF_LIFE * 600
    order = clients(drain(queue, "running", now=later, each=1.0))
    assert sorted(order) == sorted("aaaaabbbbb")
    assert abs(order[:6].count("a") - 3) <= 1


def test_accounts_of_those_who_are_gone_are_not_kept_for_ever() -> None:
    turns = Turns()
    for number in range(5 * ACCOUNTS_KEPT):
        turns.charge(0.0, turns.account(f"client{number}"), number + 1.0)
        assert len(turns) <= ACCOUNTS_KEPT
    assert turns.account(f"client{5 * ACCOUNTS_KEPT - 1}").tag == 5 * ACCOUNTS_KEPT


def test_accounts_in_use_are_never_dropped() -> None:
    turns = Turns()
    busy = []
    for number in range(ACCOUNTS_KEPT + 50):
        busy.append(turns.account(f"busy{number}"))
        busy[-1].running = 1
    for number in range(3 * ACCOUNTS_KEPT):
        turns.account(f"idle{number}")
    assert all(turns.account(account.client) is account for account in busy)


def test_priorities_have_accounts_of_their_own() -> None:
    queue = scheduler()
    submit(queue, [entry("running", "a", HIGH), *many(20, "a", HIGH)])
    last = drain(queue, "running", each=1.0, most=20)[-1]
    submit(queue, [entry("a-medium", "a"), entry("b-medium", "b")], now=20.0)
    assert drain(queue, last, now=20.0, each=1.0) == ["a-medium", "b-medium"]


def backlogged(queue: Scheduler, *, services: dict[str, float]) -> dict[str, float]:
    """Serves clients that always wait, one at a time, and says how many seconds each got."""
    got = dict.fromkeys(services, 0.0)
    queue.submit(0.0, entry("running", "nobody"))
    for client in services:
        submit(queue, many(200, client))
    current, now = "running", 0.0
    for _ in range(200):
        client = current.rstrip("0123456789")
        took = services.get(client, 1.0)
        now += took
        if client in got:
            got[client] += took
        (current,) = started(queue.finish(now, current))
    return got


def test_backlogged_clients_are_never_further_apart_than_a_call() -> None:
    services = {"short": 0.5, "middle": 1.0, "long": 3.0, "longer": 5.0}
    got = backlogged(scheduler(), services=services)
    # What is charged late weighs more, by what fades in the time that this takes.
    assert max(got.values()) - min(got.values()) <= 2 * max(services.values()) + 1.0
