"""What a rule sees: rates, growth, quantiles, shares, and counters that begin anew."""

from __future__ import annotations

import math

import pytest

from sutazai.fleet.alerting import AlertRule
from sutazai.observe.alerts.measuring import Meter, indexed, quantile
from sutazai.observe.samples import Sample
from tests.observe.alerts.watching import rule, sample


def read(meter: Meter, samples: list[Sample], now: float) -> dict[str, float | None]:
    """Readings by the value of their only label."""
    found = meter.read(indexed(samples), now)
    return {"".join(value for _, value in each.labels): each.value for each in found}


def counted(window: str = "1m", **keys: object) -> AlertRule:
    return rule(measure="rate", window=window, **keys)


def test_a_rate_is_told_from_the_second_look_on() -> None:
    meter = Meter(counted())

    assert read(meter, [sample("heat", 100, a="x")], 0) == {"x": None}
    assert read(meter, [sample("heat", 130, a="x")], 10) == {"x": 0.5}


def test_a_counter_that_begins_anew_has_not_gone_backwards() -> None:
    meter = Meter(counted())
    read(meter, [sample("heat", 1000)], 0)
    read(meter, [sample("heat", 1010)], 10)

    assert read(meter, [sample("heat", 20)], 20) == {"": 0.5}


def test_what_was_not_there_before_has_counted_from_nothing() -> None:
    meter = Meter(counted(by=()))
    read(meter, [sample("heat", 50, a="x")], 0)

    assert read(meter, [sample("heat", 50, a="x"), sample("heat", 6, a="y")], 10) == {"": 0.1}


def test_what_comes_back_after_nothing_was_seen_counts_from_where_it_is() -> None:
    meter = Meter(counted())
    read(meter, [], 0)

    assert read(meter, [sample("heat", 5000)], 10) == {"": None}


def test_a_window_forgets_what_is_older() -> None:
    meter = Meter(counted(window="1m"))
    read(meter, [sample("heat", 0)], 0)
    read(meter, [sample("heat", 6000)], 10)
    for now in range(20, 200, 10):
        last = read(meter, [sample("heat", 6000)], now)

    assert last == {"": 0.0}


def test_a_share_is_of_the_same_labels_and_of_enough() -> None:
    meter = Meter(
        counted(
            labels={"outcome": ["failed", "expired"]},
            by=["agent"],
            share_of={"metric": "heat"},
            at_least=10,
        )
    )

    def calls(done: int, failed: int) -> list[Sample]:
        return [
            sample("heat", done, agent="a", outcome="done"),
            sample("heat", failed, agent="a", outcome="failed"),
            sample("heat", done, agent="well", outcome="done"),
        ]

    read(meter, calls(0, 0), 0)
    few = read(meter, calls(4, 1), 10)
    enough = read(meter, calls(30, 10), 20)

    assert few["a"] is not None and math.isnan(few["a"])
    assert enough == {"a": 0.25, "well": 0.0}


def test_growth_is_told_once_the_window_was_watched_and_only_of_what_is_there() -> None:
    meter = Meter(rule(measure="growth", window="100s"))
    read(meter, [sample("heat", 0)], 0)
    for now in range(10, 110, 10):
        seen = read(meter, [sample("heat", 100 + now)], now)
        assert seen == {"": None} or now >= 100

    assert seen == {"": 90.0}


def test_the_mean_of_cores_is_told_as_one() -> None:
    meter = Meter(counted(by=(), combine="mean"))
    read(meter, [sample("heat", 0, core="0"), sample("heat", 0, core="1")], 0)

    seen = read(meter, [sample("heat", 60, core="0"), sample("heat", 30, core="1")], 60)

    assert seen == {"": 0.75}


def test_a_window_that_has_only_begun_makes_no_rate_of_a_single_event() -> None:
    meter = Meter(counted(window="5m"))
    read(meter, [sample("heat", 0)], 0)

    assert read(meter, [sample("heat", 3)], 10) == {"": 0.01}


def test_a_quantile_is_of_what_came_within_the_window() -> None:
    meter = Meter(rule(measure="quantile", quantile=0.5, window="1m"))

    def buckets(one: int, two: int, more: int) -> list[Sample]:
        edges = zip(("1.0", "2.0", "+Inf"), (one, one + two, one + two + more), strict=True)
        return [sample("heat_bucket", count, a="x", le=edge) for edge, count in edges]

    read(meter, buckets(100, 0, 0), 0)
    idle = read(meter, buckets(100, 0, 0), 10)["x"]
    busy = read(meter, buckets(100, 10, 0), 20)

    assert idle is not None and math.isnan(idle)
    assert busy == {"x": 1.5}


@pytest.mark.parametrize(
    ("counts", "wanted", "expected"),
    [
        ({1.0: 10, 2.0: 20, math.inf: 20}, 0.5, 1.0),
        ({1.0: 10, 2.0: 20, math.inf: 20}, 0.25, 0.5),
        ({1.0: 0, 2.0: 0, math.inf: 10}, 0.9, 2.0),
    ],
)
def test_quantiles_are_those_of_promql(
    counts: dict[float, float], wanted: float, expected: float
) -> None:
    assert quantile(wanted, counts) == pytest.approx(expected)
