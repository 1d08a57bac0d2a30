"""How schedules look: as a list, and one with all that is known of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.table import Table
from rich.text import Text

from sutazai.cli.console import clock, plain, table
from sutazai.fleet.scheduling import Schedule, ScheduleStatus
from sutazai.fleet.units import format_duration


def schedules_table(schedules: Sequence[ScheduleStatus]) -> Table:
    """Schedules, one a row."""
    shown = table("schedule", "when", "what", "next", "last")
    for each in schedules:
        shown.add_row(
            each.name,
            _when(each.schedule),
            plain(_what(each.schedule)),
            _next(each),
            plain(each.state.last),
        )
    return shown


def schedule_view(status: ScheduleStatus) -> Iterator[Text]:
    """One schedule: when, what, and what came of it."""
    schedule, state = status.schedule, status.state
    yield Text.assemble((status.name, "bold"), f" {_when(schedule)}")
    yield Text(f"  begins {plain(_what(schedule))}")
    rules = f"  overlap: {schedule.overlap.value}, missed: {schedule.missed.value}"
    jitter = f", jitter: {format_duration(schedule.jitter)}" if schedule.jitter else ""
    yield Text(rules + jitter)
    zone = schedule.zone
    times = (
        datetime.fromtimestamp(at, zone).strftime("%a %Y-%m-%d %H:%M:%S") for at in status.next
    )
    yield Text(f"  next: {', '.join(times) or _next(status)}")
    if state.fired is not None:
        yield Text(f"  last begun: {clock(state.fired)}")
    if state.due:
        yield Text(f"  waiting to begin: {', '.join(map(clock, state.due))}")
    if state.work:
        yield Text(f"  not ended: {', '.join(state.work)}")
    if state.last:
        yield Text(f"  {plain(state.last)}")


def _when(schedule: Schedule) -> str:
    window = f", between {schedule.between}" if schedule.between else ""
    return f"{schedule.cron} {schedule.timezone}{window}"


def _what(schedule: Schedule) -> str:
    if schedule.task is None:
        return f"a run of {schedule.run.workflow}" if schedule.run else ""
    task = schedule.task
    if task.agent is not None:
        return f"a task for {task.agent}"
    kind = "capability" if task.capability else "group"
    return f"a task for {kind} {task.capability or task.group}"


def _next(status: ScheduleStatus) -> str:
    if status.next:
        return clock(status.next[0])
    if not status.schedule.enabled:
        return "not enabled"
    return "paused" if status.state.paused is not None else "never"
