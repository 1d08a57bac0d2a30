"""How many may be starting while what starts ends badly."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sutazai.host.units.pacing import BURST, RATE, Pace
from sutazai.host.units.turns import AT_ONCE

gaps = st.lists(st.floats(0, 2), min_size=1, max_size=200)


def may_start(pace: Pace, now: float) -> int:
    """How many may be starting at ``now``, of those who have turns."""
    return sum(pace.start_at(starting) <= now for starting in range(AT_ONCE))


def test_a_quiet_host_holds_nobody() -> None:
    assert may_start(Pace(), 0.0) == AT_ONCE


def test_a_few_bad_ends_hold_nobody() -> None:
    pace = Pace()
    for _ in range(BURST - AT_ONCE):
        pace.ended(5.0)
    assert may_start(pace, 5.0) == AT_ONCE


def test_many_leave_one_start_after_another_at_the_rate() -> None:
    pace, now, started = Pace(), 0.0, 0
    while now < 100.0:
        now = max(now, pace.start_at(0))
        pace.ended(now)
        started += 1
    assert started <= BURST + 100 * RATE + 1


def test_what_ends_all_at_once_after_long_work_is_soon_back() -> None:
    pace = Pace()
    for _ in range(1_000):
        pace.ended(7.0)
    assert pace.start_at(0) == 7.0 + 1 / RATE
    assert may_start(pace, 7.0 + AT_ONCE / RATE) == AT_ONCE


@given(gaps)
def test_who_waits_may_start_within_a_bound(gaps: list[float]) -> None:
    pace, now = Pace(), 0.0
    for gap in gaps:
        now += gap
        pace.ended(now)
        assert pace.start_at(0) <= now + 1 / RATE


@given(gaps, st.integers(0, AT_ONCE - 1))
def test_more_at_once_never_start_earlier(gaps: list[float], starting: int) -> None:
    pace, now = Pace(), 0.0
    for gap in gaps:
        now += gap
        pace.ended(now)
        assert pace.start_at(starting) <= pace.start_at(starting + 1)
