"""Restarts of all units together keep a pace, and a few at once are not held."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sutazai.host.units.pacing import BURST, RATE, Pace

gaps = st.lists(st.floats(0, 2), min_size=1, max_size=200)


def test_a_few_are_not_held() -> None:
    pace = Pace()
    assert [pace.start_at(5.0, now=5.0) for _ in range(BURST)] == [5.0] * BURST


def test_many_keep_the_pace() -> None:
    pace = Pace()
    times = [pace.start_at(0.0, now=0.0) for _ in range(1_000)]
    assert times == sorted(times)
    assert (1_000 - BURST - 2) / RATE <= times[-1] <= 1_000 / RATE


@given(gaps, st.floats(0, 60))
def test_nobody_starts_before_it_is_due_or_waits_without_bound(
    gaps: list[float], delay: float
) -> None:
    pace, now = Pace(), 0.0
    for number, gap in enumerate(gaps, start=1):
        now += gap
        at = pace.start_at(now + delay, now=now)
        assert now + delay <= at <= now + delay + number / RATE


@given(gaps)
def test_a_quiet_time_is_enough_to_be_quick_again(gaps: list[float]) -> None:
    pace, now = Pace(), 0.0
    for gap in gaps:
        now += gap
        pace.start_at(now, now=now)
    now += len(gaps) / RATE
    assert pace.start_at(now, now=now) == now
