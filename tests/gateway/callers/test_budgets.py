"""What keys may use, and that nobody gets more than the stated slack above it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sutazai.fleet.errors import QueueFull
from sutazai.fleet.serving import DAY, Budget
from sutazai.gateway.callers.budgets import FIRST_GUESS, UNBOUND, Budgets, BudgetSpent, Hold
from sutazai.gateway.callers.keys import Caller
from sutazai.gateway.callers.rates import rate_headers

NOON = 20_000 * DAY + DAY / 2


def caller(name: str = "lab", **budget: int) -> Caller:
    return Caller(name, budget=Budget(**budget))


def spend(budgets: Budgets, who: Caller, tokens: int, now: float = NOON) -> None:
    budgets.admit(who, now).end(tokens, now)


def refusal(budgets: Budgets, who: Caller, now: float = NOON) -> BudgetSpent:
    with pytest.raises(BudgetSpent) as caught:
        budgets.admit(who, now)
    return caught.value


def test_without_a_budget_there_is_no_bound_and_nothing_is_kept() -> None:
    budgets = Budgets()
    assert all(budgets.admit(Caller("free"), NOON) is UNBOUND for _ in range(1000))
    UNBOUND.end(10**9, NOON)
    assert budgets.account("free") is None


def test_calls_a_minute() -> None:
    budgets, who = Budgets(), caller(requests_per_minute=3)
    for second in range(3):
        budgets.admit(who, NOON + 10 * second)
    error = refusal(budgets, who, NOON + 20)
    assert error.http_status == 429 and isinstance(error, QueueFull)
    assert error.data == {"budget": "requests_per_minute", "limit": 3, "retry_after": 41}
    budgets.admit(who, NOON + 20 + 41)
    assert refusal(budgets, who, NOON + 62).data["retry_after"] == 9


def test_calls_at_once() -> None:
    budgets, who = Budgets(), caller(concurrency=2)
    first, _ = budgets.admit(who, NOON), budgets.admit(who, NOON)
    assert refusal(budgets, who).data == {"budget": "concurrency", "limit": 2, "retry_after": 1}
    first.end(0, NOON)
    first.end(0, NOON)
    budgets.admit(who, NOON)
    refusal(budgets, who)


def test_tokens_a_minute() -> None:
    budgets, who = Budgets(), caller(tokens_per_minute=100)
    spend(budgets, who, 99)
    spend(budgets, who, 50, NOON + 5)
    assert refusal(budgets, who, NOON + 5).data["retry_after"] == 56
    spend(budgets, who, 1, NOON + 61)


def test_tokens_a_day_until_midnight() -> None:
    budgets, who = Budgets(), caller(tokens_per_day=100, tokens_per_minute=10)
    spend(budgets, who, 100)
    error = refusal(budgets, who)
    assert error.data["budget"] == "tokens_per_day"
    assert error.data["retry_after"] == DAY / 2
    spend(budgets, who, 100, NOON + DAY / 2)


def test_calls_that_come_at_once_hold_what_they_are_likely_to_take() -> None:
    budgets, who = Budgets(), caller(tokens_per_minute=3 * FIRST_GUESS)
    holds = [budgets.admit(who, NOON) for _ in range(3)]
    assert refusal(budgets, who).data["retry_after"] == 1
    for hold in holds:
        hold.end(10, NOON)
    for _ in range(20):
        spend(budgets, who, 10)
    assert len(admitted_at_once(budgets, who)) > 50


def admitted_at_once(budgets: Budgets, who: Caller) -> list[Hold]:
    holds = []
    while True:
        try:
            holds.append(budgets.admit(who, NOON))
        except BudgetSpent:
            return holds


def test_keys_do_not_pay_for_each_other() -> None:
    budgets = Budgets()
    budgets.admit(caller("a", concurrency=1), NOON)
    budgets.admit(caller("b", concurrency=1), NOON)


def test_a_new_budget_holds_from_the_next_call_on() -> None:
    budgets = Budgets()
    spend(budgets, caller(tokens_per_minute=10), 10)
    refusal(budgets, caller(tokens_per_minute=10))
    spend(budgets, caller(tokens_per_minute=11), 10)


def test_keys_that_are_no_more_are_forgotten_and_their_calls_end_well() -> None:
    budgets, who = Budgets(), caller(tokens_per_day=10)
    hold = budgets.admit(who, NOON)
    budgets.keep({"other"})
    hold.end(10, NOON)
    assert budgets.dump() == {}


def test_the_day_survives_a_restart() -> None:
    told: list[None] = []
    before, who = Budgets(lambda: told.append(None)), caller(tokens_per_day=100)
    spend(before, who, 60)
    spend(before, who, 0)
    assert len(told) == 1
    after = Budgets()
    after.load(json.loads(json.dumps(before.dump())))
    spend(after, who, 40)
    refusal(after, who)
    later = Budgets()
    later.load(after.dump())
    spend(later, who, 100, NOON + DAY)


@pytest.mark.parametrize(
    "dumped", [{}, {"lab": None}, {"lab": {"day": "x"}}, {"lab": {"day": 1, "tokens": [1]}}]
)
def test_what_was_kept_in_another_form_counts_as_nothing(dumped: dict[str, object]) -> None:
    budgets = Budgets()
    budgets.load(dumped)
    spend(budgets, caller(tokens_per_day=1), 1)


def test_a_clock_that_was_set_back_locks_nobody_out() -> None:
    budgets, who = Budgets(), caller(tokens_per_minute=1, tokens_per_day=1, requests_per_minute=1)
    spend(budgets, who, 1, NOON + 400 * DAY)
    spend(budgets, who, 1, NOON)
    refusal(budgets, who, NOON)


# headers


def test_clients_are_told_what_is_left_as_openai_does() -> None:
    budgets, who = Budgets(), caller(requests_per_minute=60, tokens_per_minute=1000)
    spend(budgets, who, 300)
    headers = dict(rate_headers(budgets, who, NOON + 1))
    assert headers == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1m0s",
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "700",
        "x-ratelimit-reset-tokens": "1m0s",
    }


def test_of_two_budgets_the_scarcer_is_told() -> None:
    budgets, who = Budgets(), caller(tokens_per_minute=1000, tokens_per_day=1200)
    spend(budgets, who, 900)
    headers = dict(rate_headers(budgets, who, NOON))
    assert headers["x-ratelimit-remaining-tokens"] == "100"
    headers = dict(rate_headers(budgets, who, NOON + 61))
    assert headers["x-ratelimit-remaining-tokens"] == "300"
    assert headers["x-ratelimit-reset-tokens"] == "11h58m59s"


def test_nothing_is_told_where_there_is_no_bound_or_nothing_was_used() -> None:
    assert rate_headers(Budgets(), Caller("free"), NOON) == []
    fresh = dict(rate_headers(Budgets(), caller(requests_per_minute=5), NOON))
    assert fresh["x-ratelimit-remaining-requests"] == "5"
    assert fresh["x-ratelimit-reset-requests"] == "0s"
    assert rate_headers(Budgets(), caller(concurrency=5), NOON) == []


# bounds


@dataclass
class Ledger:
    """What calls did, for checking afterwards: (time, amount)."""

    begun: list[float] = field(default_factory=list)
    charged: list[tuple[float, int]] = field(default_factory=list)
    beyond: int = 0
    largest: int = 0

    def busiest_minute(self) -> int:
        times = [at for at, _ in self.charged]
        return max(
            (sum(n for at, n in self.charged if start <= at < start + 60) for start in times),
            default=0,
        )


step = st.one_of(
    st.tuples(st.just("wait"), st.floats(0, 70)),
    st.tuples(st.just("begin"), st.integers(1, 60)),
    st.tuples(st.just("end"), st.integers(0, 120)),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(step, max_size=80), st.integers(1, 200), st.integers(1, 6), st.integers(1, 4))
def test_nobody_gets_more_than_the_stated_slack(
    steps: list[tuple[str, float]], tokens: int, calls: int, at_once: int
) -> None:
    who = caller(
        tokens_per_minute=tokens,
        tokens_per_day=2 * tokens,
        requests_per_minute=calls,
        concurrency=at_once,
    )
    budgets, ledger, now = Budgets(), Ledger(), NOON
    flying: list[tuple[Hold, int]] = []
    for what, value in steps:
        if what == "wait":
            now += value
        elif what == "begin":
            try:
                flying.append((budgets.admit(who, now, int(value)), int(value)))
                ledger.begun.append(now)
            except BudgetSpent:
                continue
        elif flying:
            hold, estimate = flying.pop(0)
            hold.end(int(value), now)
            ledger.charged.append((now, int(value)))
            ledger.beyond += max(int(value) - estimate, 0)
            ledger.largest = max(ledger.largest, int(value))
        assert len(flying) <= at_once
    slack = ledger.largest + ledger.beyond
    assert ledger.busiest_minute() <= tokens + slack
    assert sum(n for at, n in ledger.charged if at < NOON + DAY / 2) <= 2 * tokens + slack
    for begun in ledger.begun:
        assert sum(begun <= other < begun + 60 for other in ledger.begun) <= calls


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 50), st.lists(st.tuples(st.floats(0, 30), st.integers(1, 40)), max_size=30))
def test_who_comes_back_when_told_is_admitted(limit: int, calls: list[tuple[float, int]]) -> None:
    who, budgets, now = caller(tokens_per_minute=limit), Budgets(), NOON
    for pause, tokens in calls:
        now += pause
        try:
            hold = budgets.admit(who, now)
        except BudgetSpent as error:
            now += error.data["retry_after"]
            hold = budgets.admit(who, now)
        hold.end(tokens, now)
