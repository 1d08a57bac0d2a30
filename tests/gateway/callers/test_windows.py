"""Sums over the last minute."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sutazai.gateway.callers.windows import Window

times = st.lists(st.tuples(st.floats(0, 40), st.integers(1, 9)), min_size=1, max_size=60)


@given(times, st.floats(0, 100))
def test_it_holds_the_last_sixty_seconds_and_at_most_one_more(
    counts: list[tuple[float, int]], after: float
) -> None:
    window, now, seen = Window(), 1000.0, []
    for pause, amount in counts:
        now += pause
        window.add(now, amount)
        seen.append((now, amount))
    now += after
    least = sum(amount for at, amount in seen if now - at <= 60)
    most = sum(amount for at, amount in seen if now - at < 61.001)
    assert least <= window.sum(now) <= most


@given(times, st.integers(1, 30))
def test_it_tells_when_there_is_room_again(counts: list[tuple[float, int]], limit: int) -> None:
    window, now = Window(), 1000.0
    for pause, amount in counts:
        now += pause
        window.add(now, amount)
    wait = window.below(limit, now)
    assert wait == 0 or window.sum(now + wait - 0.001) >= limit
    assert window.sum(now + wait + 0.001) < limit


def test_a_clock_that_goes_back_starts_anew() -> None:
    window = Window()
    window.add(1000.9, 5)
    assert window.sum(1000.1) == 5
    assert window.sum(999.0) == 0
    window.add(999.0, 1)
    assert window.sum(999.0) == 1
