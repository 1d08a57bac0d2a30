"""What is to be done about a schedule now. Pure.

Each time is decided once: what was decided is never looked at again, so a clock that goes back
fires nothing twice.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from sutazai.fleet.scheduling import Missed, Overlap, Schedule, ScheduleState
from sutazai.tasks.schedules.times import Times

LATE = 60.0
"""Seconds after which a time counts as missed."""
DUE_MAX = 100
"""Most times that wait to fire."""


class Step(StrEnum):
    """What is done about the first time that is due."""

    FIRE = "fire"
    SKIP = "skip"
    LATER = "later"
    REPLACE = "replace"


@dataclass(frozen=True)
class Taken:
    """The state after a look, and how many times were given up in it."""

    state: ScheduleState
    missed: int = 0


def begun(state: ScheduleState, schedule: Schedule, now: float) -> ScheduleState:
    """The state with which a process begins: what is new, or has another clock than before, counts
    from now on, and nothing of the past is missed."""
    rule = f"{schedule.cron} {schedule.timezone}" if schedule.enabled else ""
    if rule and rule == state.rule:
        return state
    due = state.due if schedule.enabled else ()
    return state.model_copy(update={"rule": rule, "decided": max(state.decided, now), "due": due})


def take(state: ScheduleState, schedule: Schedule, times: Times, now: float) -> Taken:
    """Decides about every time whose start has come."""
    if state.paused is not None or not schedule.enabled:
        return Taken(state)
    come = times.between(state.decided, now, limit=DUE_MAX + 1)
    if not come:
        return Taken(state)
    starts = {times.start(time): time for time in come}  # what begins together is one
    kept = _kept([*starts.items()], schedule.missed, now)
    due = (*state.due, *kept)
    given_up = len(starts) - len(kept) + max(0, len(due) - DUE_MAX)
    return Taken(state.model_copy(update={"decided": come[-1], "due": due[-DUE_MAX:]}), given_up)


def _kept(starts: list[tuple[float, float]], missed: Missed, now: float) -> list[float]:
    if missed is Missed.ONCE:
        starts = starts[-1:]
    elif missed is Missed.SKIP:
        starts = [(start, time) for start, time in starts if start >= now - LATE]
    return [time for _, time in starts]


def step(schedule: Schedule, work: Collection[str], times: Times, now: float) -> Step:
    """What is done about the first time that is due, while ``work`` of earlier ones is open."""
    if times.opening(now) > now:
        return Step.LATER
    if not work:
        return Step.FIRE
    return {
        Overlap.SKIP: Step.SKIP,
        Overlap.QUEUE: Step.LATER,
        Overlap.REPLACE: Step.REPLACE,
    }[schedule.overlap]


def next_starts(
    state: ScheduleState, schedule: Schedule, times: Times, count: int = 1
) -> tuple[float, ...]:
    """When it must be looked at next, and then; none where it is paused or not enabled."""
    if state.paused is not None or not schedule.enabled:
        return ()
    starts: list[float] = []
    for time in times.after(state.decided):
        start = times.start(time)
        if start not in starts[-1:]:
            starts.append(start)
        if len(starts) >= count:
            break
    return tuple(starts)


def paused(state: ScheduleState, now: float) -> ScheduleState:
    """Held back: nothing is begun until it is resumed."""
    return state.model_copy(update={"paused": state.paused or now})


def resumed(state: ScheduleState, now: float) -> ScheduleState:
    """Goes on; times that passed meanwhile were not missed, for somebody wanted it so."""
    if state.paused is None:
        return state
    return state.model_copy(update={"paused": None, "decided": max(state.decided, now)})


def settled(
    state: ScheduleState, time: float, last: str, *, ended: Collection[str]
) -> ScheduleState:
    """After a time that was due; ``ended`` is work that is open no more."""
    return state.model_copy(
        update={
            "due": tuple(each for each in state.due if each != time),
            "work": tuple(each for each in state.work if each not in ended),
            "last": last,
        }
    )


def fired(state: ScheduleState, work: str, now: float) -> ScheduleState:
    """After a task or run was begun."""
    known = (*(each for each in state.work if each != work), work)
    return state.model_copy(update={"work": known, "fired": now})
