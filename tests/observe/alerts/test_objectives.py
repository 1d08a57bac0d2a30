"""Error budgets: what is left, how fast it burns, and who is woken by it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from sutazai.fleet.alerting import Objective
from sutazai.observe.alerts.objectives import Ledger, thinned
from sutazai.observe.samples import Sample
from tests.observe.alerts.watching import Watch, sample

HOUR = 3600.0
ANSWERED = Objective.model_validate(
    {"metric": "calls_total", "bad": {"outcome": ["failed", "expired"]}, "target": "99.9%"}
)


class Calls:
    """A gateway's counters: so many calls every ten seconds, of which a share fails."""

    def __init__(self) -> None:
        self.done = self.failed = 0.0

    def more(self, count: float, bad: float) -> list[Sample]:
        self.done += count * (1 - bad)
        self.failed += count * bad
        return [
            sample("calls_total", self.done, outcome="done"),
            sample("calls_total", self.failed, outcome="failed"),
        ]


def test_a_fast_burn_wakes_and_the_slower_ones_say_nothing_more() -> None:
    watch, calls = Watch({}, objectives={"answered": ANSWERED}), Calls()
    for _ in range(360):
        watch.see(calls.more(100, 0.0))
    assert watch.words() == []

    for _ in range(60):
        watch.see(calls.more(100, 0.15))

    assert watch.words()[:1] == ["firing answered-burns-fast"]
    assert {alert.rule for alert in watch.book.ended} == set()


def test_a_burn_that_stopped_is_over_though_the_long_window_still_shows_it() -> None:
    watch, calls = Watch({}, objectives={"answered": ANSWERED}), Calls()
    for _ in range(360):
        watch.see(calls.more(100, 0.1))
    assert "firing answered-burns-fast" in watch.words()

    for _ in range(60):
        watch.see(calls.more(100, 0.0))

    assert "resolved answered-burns-fast" in watch.words()


def test_a_slow_burn_is_noticed_within_its_windows() -> None:
    watch, calls = Watch({}, objectives={"answered": ANSWERED}), Calls()
    for _ in range(int(40 * HOUR / 60)):
        watch.see(calls.more(100, 0.002), seconds=60)

    assert watch.words()[0] == "firing answered-burns-slow"


def test_a_few_calls_are_too_few_to_speak_of() -> None:
    watch, calls = Watch({}, objectives={"answered": ANSWERED}), Calls()
    for _ in range(40):
        watch.see(calls.more(1, 1.0))

    assert watch.words() == []


def test_what_is_left_of_the_budget_survives_a_restart() -> None:
    watch, calls = Watch({}, objectives={"answered": ANSWERED}), Calls()
    watch.see(calls.more(0, 0))
    for _ in range(100):
        watch.see(calls.more(100, 0.0005))
    watch.restart()

    seen = watch.see(calls.more(100, 0.0))

    left = {each.name: each.value for each in seen.objectives if "burn_rate" not in each.name}
    assert left["sutazai_objective_budget_left_ratio"] == pytest.approx(0.5, abs=0.01)
    assert left["sutazai_objective_good_ratio"] == pytest.approx(0.9995)


def test_slow_answers_are_counted_by_the_edge_of_a_bucket() -> None:
    objective = Objective.model_validate(
        {"metric": "took_seconds", "within": "5s", "target": "99%", "at_least": 1}
    )
    ledger = Ledger(objective)

    def took(quick: int, slow: int) -> dict[str, list[Sample]]:
        edges = (("1.0", quick), ("5.0", quick), ("30.0", quick + slow), ("+Inf", quick + slow))
        return {"took_seconds_bucket": [sample("x", count, le=edge) for edge, count in edges]}

    ledger.add(took(0, 0), 0)
    ledger.add(took(98, 2), 100)

    good = {each.name: each.value for each in ledger.samples("fast")}
    assert good["sutazai_objective_good_ratio"] == pytest.approx(0.98)
    assert good["sutazai_objective_budget_left_ratio"] == pytest.approx(-1.0)


def test_a_month_takes_few_points_and_windows_are_met_closely() -> None:
    month = 30 * 24 * HOUR
    points: list[tuple[float, float, float]] = []
    for at in range(0, int(month), 600):
        points.append((float(at), float(at), 0.0))
        if len(points) % 200 == 0:
            points = thinned(points, float(at), month)
    points = thinned(points, month, month)

    gaps = [(month - one[0], two[0] - one[0]) for one, two in pairwise(points)]
    assert len(points) < 600
    assert all(gap <= max(600.0, age / 50) for age, gap in gaps)
