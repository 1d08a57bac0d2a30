"""Schedules begin real work in a real queue, once a time, by a clock that the test moves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sutazai.fleet.errors import NotFound
from sutazai.fleet.scheduling import Schedule, ScheduledRun, ScheduledTask
from sutazai.fleet.work import TaskRequest, WorkState
from sutazai.tasks.schedules.scheduler import Scheduler
from tests.tasks.conftest import Workplace
from tests.tasks.peers import Body
from tests.tasks.schedules.conftest import HOUR, START, Desk
from tests.tasks.schedules.dying import schedules

NIGHTLY = "0 * * * *"


def hourly(**more: Any) -> dict[str, Schedule]:
    task = ScheduledTask(agent="helper", input="x")
    return {"nightly": Schedule(**{"cron": NIGHTLY, "task": task, **more})}


class Gate:
    """An agent that works until it is let go."""

    def __init__(self, workplace: Workplace, agent: str = "helper") -> None:
        self.open = asyncio.Event()
        workplace.gateway.agents[agent] = self._work

    async def _work(self, body: Body) -> Any:
        await self.open.wait()
        return body["input"]


async def test_each_time_gives_one_task(workplace: Workplace) -> None:
    desk = Desk(workplace, hourly())
    Gate(workplace).open.set()
    await desk.at(0.4)
    assert await desk.tasks() == []
    for hours in (0.5, 0.5, 0.9, 1.5):
        await desk.at(hours)
        for task in await desk.tasks():
            await workplace.ended_task(task.id)
    assert [task.state for task in await desk.tasks()] == [WorkState.DONE] * 2
    assert desk.kinds() == ["fired", "fired"]
    assert "fired for 20261121T020000Z: began task-" in desk.told[0][1]
    same = await workplace.task_desk.get("schedule:nightly:20261121T020000Z")
    assert (same.agent, same.input, same.expires) == ("helper", "x", None)


async def test_a_clock_that_goes_back_fires_nothing_twice(workplace: Workplace) -> None:
    desk = Desk(workplace, hourly(overlap="queue"))
    Gate(workplace).open.set()
    for hours in (0.0, 0.6, 0.3, 0.6, 0.4, 1.4):
        await desk.at(hours)
        desk.scheduler = desk.another()  # so that nothing is left to what a process remembers
    assert len(await desk.tasks()) == 1


@pytest.mark.parametrize("what", ["task", "run"])
async def test_two_processes_begin_it_once(workplace: Workplace, what: str) -> None:
    desk = Desk(workplace, schedules(what))
    Gate(workplace)
    both = [desk.scheduler, desk.another()]
    await asyncio.gather(*(each.look() for each in both))
    desk.clock.now += HOUR
    await asyncio.gather(*(each.look() for each in both))
    found = [*await desk.tasks(), *await desk.runs()]
    assert (len(found), desk.kinds()) == (1, ["fired"])


async def test_work_that_goes_on_skips_the_next_time(workplace: Workplace) -> None:
    desk = Desk(workplace, hourly())
    gate = Gate(workplace)
    for hours in (0.0, 0.5, 1.5):
        await desk.at(hours)
    (task,) = await desk.tasks()
    assert desk.kinds() == ["fired", "skipped"]
    assert f"{task.id} has not ended" in desk.told[1][1]
    gate.open.set()
    await workplace.ended_task(task.id)
    await desk.at(2.5)
    assert desk.kinds() == ["fired", "skipped", "fired"]


async def test_work_that_goes_on_lets_the_next_time_wait(workplace: Workplace) -> None:
    desk = Desk(workplace, hourly(overlap="queue"))
    gate = Gate(workplace)
    for hours in (0.0, 0.5, 1.5, 2.5):
        await desk.at(hours)
    (first,) = await desk.tasks()
    assert len((await desk.scheduler.get("nightly")).state.due) == 2
    gate.open.set()
    await workplace.ended_task(first.id)
    async with asyncio.timeout(60):
        while len(await desk.tasks()) < 3:
            await asyncio.sleep(0.02)
            desk.clock.now += 1.0
            await desk.scheduler.look()
    assert desk.kinds() == ["fired"] * 3


async def test_work_that_goes_on_makes_way_for_the_next_time(workplace: Workplace) -> None:
    desk = Desk(workplace, hourly(overlap="replace"))
    Gate(workplace)
    for hours in (0.0, 0.5, 1.5):
        await desk.at(hours)
    old, new = await desk.tasks()
    assert old.state is WorkState.CANCELLED
    assert new.state.is_open


@pytest.mark.parametrize(
    ("missed", "tasks", "told"),
    [("skip", 0, ["missed"]), ("once", 1, ["missed", "fired"]), ("all", 3, ["fired"] * 3)],
)
async def test_what_was_missed_while_nothing_ran(
    workplace: Workplace, missed: str, tasks: int, told: list[str]
) -> None:
    desk = Desk(workplace, hourly(missed=missed, overlap="queue"))
    Gate(workplace).open.set()
    await desk.at(0.0)
    desk.scheduler = desk.another()
    async with asyncio.timeout(60):
        await desk.at(3.0)
        while (await desk.scheduler.get("nightly")).state.due:
            desk.clock.now += 2.0
            await asyncio.sleep(0.02)
            await desk.scheduler.look()
    assert (len(await desk.tasks()), desk.kinds()) == (tasks, told)


async def test_heavy_work_begins_in_its_window_or_not_at_all(workplace: Workplace) -> None:
    queued = ScheduledTask(agent="anna", input="behind what she has in hand")
    desk = Desk(workplace, hourly(between="03:00-04:15", task=queued))
    Gate(workplace, "anna")
    first = await workplace.task_desk.submit(TaskRequest(agent="anna", input="in hand"))
    for hours in (0.0, 0.5, 1.4):
        await desk.at(hours)
    assert [task.id for task in await desk.tasks()] == [first.id]
    assert (await desk.scheduler.get("nightly")).next[0] == START + 1.5 * HOUR
    await desk.at(1.5)
    _, task = await desk.tasks()
    assert task.expires == pytest.approx(task.created + 1.25 * HOUR)


async def test_a_pause_lasts_over_a_restart(workplace: Workplace) -> None:
    desk = Desk(workplace, hourly())
    Gate(workplace)
    await desk.at(0.0)
    assert (await desk.scheduler.pause("nightly")).next == ()
    desk.scheduler = desk.another()
    await desk.at(3.6)
    assert await desk.tasks() == []
    again = await desk.scheduler.resume("nightly")
    assert again.next[0] == START + 4.5 * HOUR
    await desk.at(3.7)
    assert await desk.tasks() == []
    await desk.at(4.6)
    assert len(await desk.tasks()) == 1
    assert desk.kinds() == ["paused", "resumed", "fired"]
    with pytest.raises(NotFound, match="nightli"):
        await desk.scheduler.pause("nightli")


async def test_run_now_waits_for_nothing(workplace: Workplace) -> None:
    desk = Desk(workplace, hourly(enabled=False, between="03:00-04:00"))
    Gate(workplace)
    first, second = [await desk.scheduler.run_now("nightly") for _ in range(2)]
    assert first != second
    assert (await desk.scheduler.get("nightly")).state.work == (first, second)
    await desk.at(9.0)
    assert len(await desk.tasks()) == 2


async def test_a_run_is_started_once(workplace: Workplace) -> None:
    desk = Desk(workplace, {"nightly": Schedule(cron=NIGHTLY, run=ScheduledRun(goal="tidy up"))})
    for _ in range(2):
        await desk.at(0.0)
        await desk.at(0.5)
        desk.scheduler = desk.another()
    (run,) = await desk.runs()
    assert run.goal == "tidy up"
    await workplace.ended_run(run.id)


async def test_what_cannot_be_begun_is_told_and_left(workplace: Workplace) -> None:
    nobody = ScheduledTask(agent="nobody", input="x")
    desk = Desk(workplace, hourly(task=nobody))
    await desk.at(0.0)
    await desk.at(0.5)
    assert desk.kinds() == ["failed"]
    assert "there is no agent 'nobody'" in (await desk.scheduler.get("nightly")).state.last


async def test_a_full_queue_is_tried_again(workplace: Workplace) -> None:
    many = {f"s-{n}": schedule for n in range(21) for schedule in hourly().values()}
    desk = Desk(workplace, many)
    gate = Gate(workplace)
    await desk.at(0.0)
    await desk.at(0.5)
    assert len(await desk.tasks()) == 20
    gate.open.set()
    for task in await desk.tasks():
        await workplace.ended_task(task.id)
    await desk.at(0.51)
    assert len(await desk.tasks()) == 21


async def test_it_sleeps_until_its_time(workplace: Workplace) -> None:
    desk = Desk(workplace, hourly())
    Gate(workplace)
    await desk.at(0.0)
    ahead = START + 0.5 * HOUR - 0.3 - time.time()
    scheduler = desk.another(clock=lambda: time.time() + ahead)
    async with asyncio.timeout(60), running(scheduler):
        while not await desk.tasks():
            await asyncio.sleep(0.02)


async def test_it_wakes_when_something_changes(workplace: Workplace) -> None:
    desk = Desk(workplace, hourly())
    Gate(workplace)
    await desk.at(0.0)
    await desk.scheduler.pause("nightly")
    await desk.at(0.1)
    async with asyncio.timeout(30), running(desk.scheduler):
        await asyncio.sleep(0)  # it sleeps, and nothing would wake it for a minute
        desk.clock.now = START + 0.5 * HOUR - 0.1
        await desk.scheduler.resume("nightly")
        desk.clock.now += 1.0
        while not await desk.tasks():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(scheduler: Scheduler) -> AsyncIterator[None]:
    task = asyncio.create_task(scheduler.run(), name="scheduler")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
