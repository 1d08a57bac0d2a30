"""What is kept of what was measured, by the order in which it came and not by the clock."""

from __future__ import annotations

import pytest

from sutazai.observe.history.tiers import TIERS, closed, tier_for

HOUR, DAY = 3_600.0, 86_400.0


def test_a_window_is_closed_by_what_follows_it() -> None:
    assert closed([], 60) == []
    assert closed([(1, 0), (2, 10), (3, 50)], 60) == []
    assert closed([(1, 0), (2, 10), (3, 60)], 60) == [(0, [1, 2])]
    assert closed([(1, 0), (2, 190), (3, 250)], 60) == [(0, [1]), (180, [2])]


def test_a_clock_that_goes_back_closes_windows_too() -> None:
    assert closed([(1, 600), (2, 610), (3, 0), (4, 10), (5, 620)], 60) == [
        (600, [1, 2]),
        (0, [3, 4]),
    ]


@pytest.mark.parametrize(
    ("age", "span", "points", "step"),
    [
        (600, 600, 60, 10),
        (HOUR, HOUR, 300, 10),
        (HOUR, HOUR, 60, 60),
        (2 * HOUR, 2 * HOUR, 300, 60),
        (DAY, DAY, 300, 60),
        (DAY, DAY, 100, 600),
        (2 * DAY, HOUR, 300, 600),
        (400 * DAY, 400 * DAY, 300, 600),
    ],
)
def test_reading_takes_what_reaches_back_and_is_fine_enough(
    age: float, span: float, points: int, step: int
) -> None:
    assert tier_for(TIERS, age=age, span=span, points=points).step == step


def test_an_hour_a_day_and_a_month_are_kept() -> None:
    assert [tier.step * tier.kept for tier in TIERS] == [HOUR, DAY, 30 * DAY]
