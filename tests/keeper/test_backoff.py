"""When a host is started again, in virtual time."""

from __future__ import annotations

from sutazai.keeper.backoff import HEALTHY, LONGEST_WAIT, Backoff


def waits(backoff: Backoff, *lives: float) -> list[float]:
    """How long a host waits after each of its lives (seconds)."""
    now, result = 1000.0, []
    for life in lives:
        ended = now + life
        now = backoff.ended(started=now, now=ended)
        result.append(now - ended)
    return result


def test_the_first_end_is_followed_at_once() -> None:
    assert waits(Backoff(), 5.0) == [0.0]


def test_a_host_that_keeps_crashing_waits_longer_each_time_up_to_a_bound() -> None:
    assert waits(Backoff(), *[0.125] * 8) == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_a_healthy_minute_earns_a_fresh_start() -> None:
    crashed = [0.125] * 6
    assert waits(Backoff(), *crashed, HEALTHY, 0.125)[-2:] == [0.0, 0.5]


def test_just_below_a_minute_earns_nothing() -> None:
    assert waits(Backoff(), *[HEALTHY - 0.125] * 3) == [0.0, 0.5, 1.0]


def test_weeks_of_crashes_do_not_overflow() -> None:
    assert waits(Backoff(), *[0.0] * 5000)[-1] == LONGEST_WAIT
