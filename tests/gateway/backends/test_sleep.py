"""Noticing that the machine slept."""

from __future__ import annotations

from sutazai.gateway.backends.sleep import JUMP, WAKING, SleepWatch


def test_clocks_that_go_together_mean_no_sleep() -> None:
    watch = SleepWatch(0.0, 1_000.0)
    assert not watch.woke(60.0, 1_060.0)
    assert not watch.woke(120.0, 1_120.0 + JUMP - 0.1), "a clock that was set right"
    assert not watch.is_waking(120.0)


def test_a_wall_clock_that_got_ahead_means_sleep_once() -> None:
    watch = SleepWatch(0.0, 1_000.0)
    assert watch.woke(1.0, 4_600.0)
    assert not watch.woke(2.0, 4_601.0)
    assert watch.is_waking(2.0) and not watch.is_waking(1.0 + WAKING)


def test_a_wall_clock_set_back_means_nothing() -> None:
    watch = SleepWatch(0.0, 1_000.0)
    assert not watch.woke(1.0, 500.0)
    assert watch.woke(2.0, 1_000.0)
