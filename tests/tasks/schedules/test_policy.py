"""Which times fire: each is decided once, whatever the clock does and whatever was missed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sutazai.fleet.scheduling import Missed, Overlap, Schedule, ScheduledTask, ScheduleState
from sutazai.tasks.schedules import policy
from sutazai.tasks.schedules.policy import DUE_MAX, LATE, Step
from sutazai.tasks.schedules.times import Times

HOUR = 3600.0
START = 1_700_000_000.0 - 1_700_000_000.0 % HOUR + 1.0
"""One second past an hour."""
FRESH = ScheduleState(name="s")


def hourly(**more: Any) -> Schedule:
    given = {"cron": "0 * * * *", "task": ScheduledTask(agent="a", input="x"), **more}
    return Schedule(**given)


def looked(schedule: Schedule, state: ScheduleState, now: float) -> policy.Taken:
    return policy.take(state, schedule, Times("s", schedule), now)


def new(schedule: Schedule) -> ScheduleState:
    return policy.begun(FRESH, schedule, START)


def test_nothing_of_the_time_before_is_missed() -> None:
    schedule = hourly()
    assert looked(schedule, new(schedule), START + 10) == policy.Taken(new(schedule))
    changed = hourly(timezone="Europe/Berlin")
    later = policy.begun(new(schedule), changed, START + 10 * HOUR)
    assert looked(changed, later, START + 10 * HOUR).state.due == ()
    assert policy.begun(new(schedule), schedule, START + 10 * HOUR) == new(schedule)


def test_what_is_not_enabled_forgets_what_was_due() -> None:
    due = new(hourly()).model_copy(update={"due": (START,)})
    off = policy.begun(due, hourly(enabled=False), START + HOUR)
    assert (off.due, off.decided) == ((), START + HOUR)
    assert looked(hourly(enabled=False), off, START + 9 * HOUR) == policy.Taken(off)
    on = policy.begun(off, hourly(), START + 5 * HOUR)
    assert looked(hourly(), on, START + 5 * HOUR).state.due == ()


@pytest.mark.parametrize(
    ("missed", "kept", "given_up"),
    [(Missed.SKIP, 0, 5), (Missed.ONCE, 1, 4), (Missed.ALL, 5, 0)],
)
def test_missed_times(missed: Missed, kept: int, given_up: int) -> None:
    schedule = hourly(missed=missed, overlap=Overlap.QUEUE)
    taken = looked(schedule, new(schedule), START + 5 * HOUR + LATE)
    assert (len(taken.state.due), taken.missed) == (kept, given_up)
    assert looked(schedule, taken.state, START + 5 * HOUR + LATE) == policy.Taken(taken.state)


def test_what_was_missed_for_long_is_bounded() -> None:
    schedule = hourly(missed=Missed.ALL, overlap=Overlap.QUEUE)
    taken = looked(schedule, new(schedule), START + 1000 * HOUR)
    assert len(taken.state.due) == DUE_MAX
    assert taken.state.due[-1] == START - 1 + 1000 * HOUR
    more = looked(schedule, taken.state, START + 1001 * HOUR)
    assert (len(more.state.due), more.missed) == (DUE_MAX, 1)


def test_times_outside_a_window_are_one_when_it_opens() -> None:
    schedule = hourly(between="22:00-06:00", missed=Missed.SKIP)
    noon = START - START % 86_400 + 12 * HOUR + 1
    state = new(schedule).model_copy(update={"decided": noon})
    assert looked(schedule, state, noon + 9.9 * HOUR).state == state
    assert policy.next_starts(state, schedule, Times("s", schedule), 3) == (
        noon - 1 + 10 * HOUR,
        noon - 1 + 11 * HOUR,
        noon - 1 + 12 * HOUR,
    )
    assert looked(schedule, state, noon + 10 * HOUR).state.due == (noon - 1 + 10 * HOUR,)


@pytest.mark.parametrize(
    ("overlap", "work", "step"),
    [
        (Overlap.SKIP, (), Step.FIRE),
        (Overlap.SKIP, ("task-1",), Step.SKIP),
        (Overlap.QUEUE, ("task-1",), Step.LATER),
        (Overlap.REPLACE, ("task-1",), Step.REPLACE),
    ],
)
def test_work_that_has_not_ended(overlap: Overlap, work: tuple[str, ...], step: Step) -> None:
    schedule = hourly(overlap=overlap)
    assert policy.step(schedule, work, Times("s", schedule), START) is step


def test_nothing_begins_while_the_window_is_closed() -> None:
    schedule = hourly(between="22:00-06:00")
    noon = START - START % 86_400 + 12 * HOUR
    assert policy.step(schedule, (), Times("s", schedule), noon) is Step.LATER


def test_times_that_pass_during_a_pause_are_left_out() -> None:
    schedule = hourly(missed=Missed.ALL, overlap=Overlap.QUEUE)
    held = policy.paused(new(schedule), START)
    assert policy.paused(held, START + 5) == held
    assert looked(schedule, held, START + 9 * HOUR) == policy.Taken(held)
    assert policy.next_starts(held, schedule, Times("s", schedule)) == ()
    on = policy.resumed(held, START + 9 * HOUR)
    assert looked(schedule, on, START + 9 * HOUR).state.due == ()
    assert len(looked(schedule, on, START + 10 * HOUR).state.due) == 1


@settings(deadline=None)
@given(
    st.lists(st.floats(-3 * HOUR, 5 * HOUR), min_size=1, max_size=30),
    st.sampled_from(Missed),
    st.sampled_from([None, "22:00-06:00", "13:10-13:40"]),
    st.sampled_from(["0s", "20m"]),
)
def test_whatever_the_clock_does_no_time_fires_twice(
    steps: list[float], missed: Missed, between: str | None, jitter: str
) -> None:
    schedule = hourly(missed=missed, overlap=Overlap.QUEUE, between=between, jitter=jitter)
    times = Times("s", schedule)
    state, now, fired = new(schedule), START, list[float]()
    for step in steps:
        now += step
        state = policy.begun(state, schedule, now)  # as in a new process
        state = policy.take(state, schedule, times, now).state
        assert all(times.start(due) <= now for due in state.due[len(fired) :])
        upcoming = policy.next_starts(state, schedule, times)
        assert upcoming[0] > now or state.decided > now
        for due in state.due:
            fired.append(due)
            state = policy.settled(state, due, "fired", ended=())
    assert fired == sorted({*fired})


@settings(deadline=None)
@given(st.lists(st.floats(1.0, LATE / 2), min_size=10, max_size=100))
def test_who_looks_often_enough_misses_nothing(steps: list[float]) -> None:
    schedule = hourly(cron="*/2 * * * *", missed=Missed.SKIP)
    times = Times("s", schedule)
    state, now, fired = new(schedule), START, list[float]()
    for step in steps:
        now += step
        taken = policy.take(state, schedule, times, now)
        assert taken.missed == 0
        fired += taken.state.due
        state = taken.state.model_copy(update={"due": ()})
    assert fired == times.between(START, now, limit=1000)
