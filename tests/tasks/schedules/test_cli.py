"""`sutazai schedules`: what is asked of control, and what a person sees."""

from __future__ import annotations

from typing import Any

from sutazai.fleet.errors import NotFound
from sutazai.fleet.places import Places
from sutazai.fleet.scheduling import Schedule, ScheduledTask, ScheduleState, ScheduleStatus
from tests.cli.conftest import CommandLine, control, fleet, home, sutazai
from tests.cli.examples import NOW
from tests.cli.fake_control import FakeControl

__all__ = ["control", "fleet", "home", "sutazai"]


def status(**state: Any) -> dict[str, Any]:
    task = ScheduledTask(capability="sort", input="x")
    schedule = Schedule(cron="0 2 * * *", task=task, between="22:00-06:00")
    remembered = ScheduleState(name="tidy-up", **state)
    shown = ScheduleStatus(name="tidy-up", schedule=schedule, state=remembered, next=(NOW,))
    return shown.model_dump(mode="json")


def test_schedules_are_listed_and_shown(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    known = status(last="skipped: task-1 has not ended", work=("task-1",), due=(NOW,), fired=NOW)
    control.json("GET /schedules", [known])
    control.json("GET /schedules/tidy-up", known)

    listed, shown = sutazai("schedules", "list").out, sutazai("schedules", "show", "tidy-up").out

    for text in ("tidy-up", "0 2 * * * UTC, between 22:00-06:00", "a task for capability sort"):
        assert text in listed and text in shown
    for text in ("waiting to begin:", "not ended: task-1", "skipped:", "overlap: skip"):
        assert text in shown


def test_schedules_are_held_back_and_run(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    control.json("POST /schedules/tidy-up/pause", status(paused=NOW))
    control.json("POST /schedules/tidy-up/resume", status())
    control.json("POST /schedules/tidy-up/run", {"work": "task-7"})
    control.refuse("POST /schedules/tidy/run", NotFound("there is no schedule 'tidy'"))

    assert sutazai("schedules", "pause", "tidy-up").out == "paused: tidy-up\n"
    assert sutazai("schedules", "resume", "tidy-up").out == "resumed: tidy-up\n"
    assert sutazai("schedules", "run", "tidy-up").out == "began: task-7\n"
    assert sutazai("schedules", "run", "tidy").code == 4
