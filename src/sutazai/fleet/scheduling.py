"""Schedules in the fleet file: what is done when, and what is remembered and shown of it."""

from __future__ import annotations

from datetime import UTC, datetime, time
from enum import StrEnum
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, ConfigDict, Field, model_validator

from sutazai.fleet.declared import Interval, Name, Priority, Spec, wrong
from sutazai.fleet.units import Duration
from sutazai.fleet.workflows import STANDARD

CRON_FIELDS = 5
CRON_HINT = "write minute, hour, day, month and weekday, as `0 2 * * *`"
DAY = 86_400.0


class Overlap(StrEnum):
    """What is done when the time comes and the work of the last time has not ended."""

    SKIP = "skip"
    QUEUE = "queue"
    REPLACE = "replace"


class Missed(StrEnum):
    """What is done about times that passed while nothing could be started."""

    SKIP = "skip"
    ONCE = "once"
    ALL = "all"


def _cron(text: str) -> str:
    if len(text.split()) != CRON_FIELDS:
        raise ValueError(f"expected five fields: {CRON_HINT}")
    try:
        comes = next(CronSim(text, datetime(2026, 1, 1, tzinfo=UTC)), None)
    except CronSimError as error:
        field = str(error).removeprefix("Bad ")
        raise ValueError(f"the {field} cannot be read: {CRON_HINT}") from error
    if comes is None:
        raise ValueError("no day of the next 50 years is like this")
    return text


def parse_window(text: str) -> tuple[time, time]:
    """When a window opens and closes, from ``22:00-06:00``. Raises ValueError."""
    first, _, last = text.partition("-")
    try:
        opens, closes = (datetime.strptime(each.strip(), "%H:%M").time() for each in (first, last))
    except ValueError as error:
        raise ValueError("expected two times of day: 22:00-06:00") from error
    if opens == closes:
        raise ValueError("it opens and closes at the same time; leave it out for the whole day")
    return opens, closes


def _window(text: str) -> str:
    parse_window(text)
    return text


class ScheduledTask(Spec):
    """A durable task: for an agent, or for any with a capability or of a group."""

    agent: Name | None = Field(None, description="Who does it.")
    capability: Name | None = Field(None, description="Or any agent that can do this.")
    group: str | None = Field(None, description="Or any agent of this group.")
    input: Any = Field(None, description="A text or any JSON value.")
    file: str | None = Field(None, description="Instead, a file below the artifacts folder.")
    priority: Priority | None = Field(None, description="In the queue; else the agent's own.")
    deadline: Interval = Field(300.0, le=DAY, description="Time that each attempt has.")
    retries: int = Field(0, ge=0, le=20, description="Further attempts when one fails.")
    backoff: Duration = Field(1.0, le=3600, description="Wait before the first of them.")

    @model_validator(mode="after")
    def _one_target_and_one_input(self) -> Self:
        given = [self.agent, self.capability, self.group]
        if sum(each is not None for each in given) != 1:
            raise wrong("agent", "name exactly one of `agent`, `capability` and `group`")
        if (self.file is None) == (self.input is None):
            raise wrong("input", "give either `input` or `file`")
        return self


class ScheduledRun(Spec):
    """A run of the standard workflow, or of one that the fleet file declares."""

    goal: str = Field("", description="What should come of it.")
    backlog: tuple[str, ...] = Field((), description="Items to work through.")
    workflow: Name = Field(STANDARD, description="Which of `workflows`; else the standard one.")
    input: Any = Field(None, description="What a declared workflow is given.")

    @model_validator(mode="after")
    def _something_is_to_be_done(self) -> Self:
        given = bool(self.goal.strip() or self.backlog)
        if self.workflow == STANDARD and (not given or self.input is not None):
            raise wrong("goal", "a run needs a `goal` or a `backlog`, and takes no `input`")
        if self.workflow != STANDARD and given:
            raise wrong("workflow", "a declared workflow takes `input`, no goal or backlog")
        return self


class Schedule(Spec):
    """Work that is begun again and again, by the clock."""

    cron: Annotated[str, AfterValidator(_cron)] = Field(
        description="When: minute, hour, day, month, weekday, as `0 2 * * *`."
    )
    timezone: str = Field("UTC", description="Whose clock, as `Europe/Berlin`.")
    task: ScheduledTask | None = Field(None, description="The task that is given.")
    run: ScheduledRun | None = Field(None, description="Or the run that is started.")
    jitter: Duration = Field(
        0.0,
        le=DAY,
        description="It begins later by up to this, always the same for one name, so that "
        "schedules spread.",
    )
    overlap: Overlap = Field(
        Overlap.SKIP,
        description="While the last work has not ended: `skip` this time, `queue` (begin after "
        "it) or `replace` (cancel it).",
    )
    missed: Missed = Field(
        Missed.ONCE,
        description="Times that passed while the fleet was down: `skip` them, make up for them "
        "`once`, or for `all` (the last 100; needs `overlap: queue`).",
    )
    between: Annotated[str, AfterValidator(_window)] | None = Field(
        None,
        description="Only then may it begin, as `22:00-06:00` by the clock of `timezone`; a time "
        "outside waits for the window.",
    )
    enabled: bool = Field(True, description="Whether the clock begins it.")

    @property
    def zone(self) -> ZoneInfo:
        """Whose clock it goes by."""
        return ZoneInfo(self.timezone)

    @model_validator(mode="after")
    def _either_a_task_or_a_run(self) -> Self:
        if (self.task is None) == (self.run is None):
            raise wrong("task", "give either `task` or `run`")
        if self.missed is Missed.ALL and self.overlap is not Overlap.QUEUE:
            raise wrong("missed", "`missed: all` needs `overlap: queue`")
        return self


class ScheduleState(Spec):
    """What is remembered of a schedule.

    ``rule`` is by which cron and time zone ``decided`` was reached: the last of its times about
    which nothing is left to decide. ``due`` are times that were decided to fire and have not yet,
    the oldest first. ``work`` are tasks and runs that it began, those that ended left out from
    time to time. ``paused`` is since when. ``last`` says what came of it last. Times are seconds
    since 1970.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    rule: str = ""
    decided: float = 0.0
    due: tuple[float, ...] = ()
    work: tuple[str, ...] = ()
    fired: float | None = None
    paused: float | None = None
    last: str = ""


class ScheduleStatus(Spec):
    """A schedule as people see it. ``next`` are the times when it begins next, seconds since
    1970: none where it is paused or not enabled."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    schedule: Schedule
    state: ScheduleState
    next: tuple[float, ...] = ()
