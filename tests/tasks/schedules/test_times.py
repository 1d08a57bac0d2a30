"""When a schedule begins: time zones, clocks that change, jitter and windows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sutazai.fleet.scheduling import Schedule, ScheduledTask
from sutazai.tasks.schedules.times import Times

BERLIN = ZoneInfo("Europe/Berlin")
CRONS = ("* * * * *", "*/7 * * * *", "0 * * * *", "30 2 * * *", "15 1-3 * * 1", "0 */2 1 * *")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
CHANGES = (datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC))
"""Days on which clocks change in Berlin; in New York and on Lord Howe they do some days off."""

moments = st.builds(
    lambda day, hours: (day + timedelta(hours=hours)).timestamp(),
    st.sampled_from(CHANGES),
    st.floats(-24.0 * 30, 24.0 * 30),
)


def times(cron: str, timezone: str = "Europe/Berlin", name: str = "s", **more: Any) -> Times:
    task = ScheduledTask(agent="a", input="x")
    return Times(name, Schedule(cron=cron, timezone=timezone, task=task, **more))


def clocks(cron: str, first: str, count: int) -> list[str]:
    """The next times after a moment in Berlin, by the clock there."""
    moment = datetime.fromisoformat(first).replace(tzinfo=BERLIN).timestamp()
    found = islice(times(cron).after(moment), count)
    return [datetime.fromtimestamp(time, BERLIN).strftime("%d %H:%M %Z") for time in found]


def test_a_time_that_does_not_exist_begins_after_the_jump() -> None:
    assert clocks("30 2 * * *", "2026-03-28T12:00", 2) == ["29 03:00 CEST", "30 02:30 CEST"]


def test_a_time_that_exists_twice_begins_once() -> None:
    first = ["25 02:30 CEST", "26 02:30 CET"]
    assert clocks("30 2 * * *", "2026-10-24T12:00", 2) == first
    again = datetime(2026, 10, 25, 2, 10, tzinfo=BERLIN, fold=1).timestamp()
    assert next(times("30 2 * * *").after(again)) == next(
        times("30 2 * * *").after(datetime(2026, 10, 25, 12, tzinfo=BERLIN).timestamp())
    )


def test_what_goes_on_all_the_time_goes_on_evenly() -> None:
    assert clocks("*/30 * * * *", "2026-10-25T02:00", 4) == [
        "25 02:30 CEST",
        "25 02:00 CET",
        "25 02:30 CET",
        "25 03:00 CET",
    ]


@settings(deadline=None)
@given(st.sampled_from(CRONS), st.sampled_from(ZONES), moments)
def test_times_only_grow_and_do_not_depend_on_where_one_begins(
    cron: str, zone: str, moment: float
) -> None:
    found = list(islice(times(cron, zone).after(moment), 20))
    assert [*found] == sorted({*found})
    assert found[0] > moment
    for earlier, later in pairwise(found):
        assert next(times(cron, zone).after(earlier)) == later
        assert next(times(cron, zone).after((earlier + later) / 2)) == later


@settings(deadline=None)
@given(st.sampled_from(CRONS), st.sampled_from(ZONES), moments, st.integers(1, 30))
def test_the_last_of_many_are_found_without_counting_them_all(
    cron: str, zone: str, moment: float, limit: int
) -> None:
    every = times(cron, zone)
    found = list(islice(every.after(moment), limit + 10))
    assert every.between(moment, found[-1], limit=limit) == found[-limit:]
    assert every.between(moment, found[2] - 1.0, limit=limit) == found[:2][-limit:]
    assert every.between(0.0, found[-1], limit=limit)[-limit:] == found[-limit:]


@settings(deadline=None)
@given(st.text("abc", min_size=1, max_size=8), moments)
def test_jitter_is_the_same_each_time_and_within_its_bound(name: str, moment: float) -> None:
    jittered = times("0 * * * *", name=name, jitter="5m")
    shifts = {round(jittered.start(t) - t, 3) for t in islice(jittered.after(moment), 5)}
    assert len(shifts) == 1
    assert 0 <= shifts.pop() <= 300


def test_names_spread() -> None:
    starts = {times("0 * * * *", name=f"s-{n}", jitter="5m").start(0.0) // 30 for n in range(100)}
    assert len(starts) == 10


@pytest.mark.parametrize(
    ("at", "opens"),
    [("12:00", "22:00"), ("22:00", "22:00"), ("03:00", "03:00"), ("06:00", "22:00")],
)
def test_a_window_over_midnight(at: str, opens: str) -> None:
    night = times("0 * * * *", between="22:00-06:00")
    moment = datetime.fromisoformat(f"2026-11-21T{at}").replace(tzinfo=BERLIN).timestamp()
    opening = night.opening(moment)
    assert datetime.fromtimestamp(opening, BERLIN).strftime("%H:%M") == opens
    closing = night.closing(opening)
    assert closing is not None
    assert datetime.fromtimestamp(closing, BERLIN).strftime("%H:%M") == "06:00"


@settings(deadline=None)
@given(
    moments, st.sampled_from(ZONES), st.sampled_from(["22:00-06:00", "01:30-02:30", "02:15-04:00"])
)
def test_starts_are_within_the_window_and_never_fall(
    moment: float, zone: str, between: str
) -> None:
    night = times("20 * * * *", zone, between=between, jitter="10m")
    starts = [night.start(time) for time in islice(night.after(moment), 30)]
    assert starts == sorted(starts)
    for start in starts:
        assert night.opening(start) == start
        closing = night.closing(start)
        assert closing is not None
        assert start < closing <= start + 86_400
