"""From percentages and stalls to a level, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.fleet.status import Level
from sutazai.host.pressure.levels import LEVELS, Reading, level_of, shortage

percents = st.floats(0, 100)
levels = st.sampled_from(Level)


def used(percent: float, stalled: float | None = None) -> Reading:
    return Reading(total=100_000, used=round(percent * 1000), stalled=stalled)


@pytest.mark.parametrize(
    ("percent", "level"),
    [
        (0, "normal"),
        (69.9, "normal"),
        (70, "warning"),
        (84.9, "warning"),
        (85, "critical"),
        (94.9, "critical"),
        (95, "emergency"),
        (100, "emergency"),
    ],
)
def test_levels_are_entered_at_their_percentages(percent: float, level: str) -> None:
    assert level_of(used(percent), Level.NORMAL) == level


@pytest.mark.parametrize(
    ("percent", "before", "level"),
    [
        (65.1, "warning", "warning"),
        (64.9, "warning", "normal"),
        (80.1, "critical", "critical"),
        (79.9, "critical", "warning"),
        (90.1, "emergency", "emergency"),
        (89.9, "emergency", "critical"),
        (10, "emergency", "normal"),
    ],
)
def test_levels_are_left_five_points_lower(percent: float, before: Level, level: str) -> None:
    assert level_of(used(percent), Level(before)) == level


def test_stalls_make_a_level_one_above_that_of_the_percentages_at_most() -> None:
    assert level_of(used(20, 90), Level.NORMAL) is Level.NORMAL, "somebody's own limit"
    assert level_of(used(60, 9), Level.NORMAL) is Level.NORMAL
    assert level_of(used(60, 12), Level.NORMAL) is Level.WARNING
    assert level_of(used(60, 90), Level.NORMAL) is Level.WARNING
    assert level_of(used(72, 30), Level.NORMAL) is Level.CRITICAL
    assert level_of(used(72, 90), Level.NORMAL) is Level.CRITICAL
    assert level_of(used(86, 60), Level.NORMAL) is Level.EMERGENCY


@given(percents, st.none() | percents, levels)
def test_a_level_is_never_left_and_entered_by_the_same_reading(
    percent: float, stalled: float | None, before: Level
) -> None:
    once = level_of(used(percent, stalled), before)
    assert level_of(used(percent, stalled), once) is once


@given(st.floats(0, 94), levels)
def test_more_in_use_is_never_a_lower_level(percent: float, before: Level) -> None:
    lower, higher = (level_of(used(value), before) for value in (percent, percent + 5))
    assert LEVELS.index(lower) <= LEVELS.index(higher)


def test_what_is_too_much_is_what_lies_above_the_exit() -> None:
    assert shortage(used(88), Level.CRITICAL) == 8_001
    assert shortage(used(50, 40), Level.CRITICAL) == 5_000, "as much as the margin, for stalls"
    assert shortage(used(50), Level.NORMAL) == 0


def test_a_machine_that_tells_nothing_is_believed_well() -> None:
    assert level_of(Reading(0, 0), Level.NORMAL) is Level.NORMAL
