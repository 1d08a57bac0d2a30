"""Tasks for agents that fetch them: handed out by right, taken back where nobody completes them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sutazai.fleet.errors import AgentFailed, Conflict, NotFound
from sutazai.fleet.fetching import BEAT, Completion, Fetcher, Heartbeat, Registration
from sutazai.fleet.spec import Agent, Fleet, Runtime
from sutazai.fleet.status import Exit
from sutazai.fleet.work import Invocation, Task, TaskRequest, WorkState
from sutazai.store.database import sqlite_url
from sutazai.tasks.office import Pace
from sutazai.tasks.pull.rules import SILENCE, silent
from tests.tasks.conftest import PATIENCE, QUICK, Workplace, working

OLD = {"runtime": Runtime.COMMAND, "command": ("old",), "pull": True}


def old_fleet() -> Fleet:
    """Two agents that fetch, one of which can code as another can that is asked."""
    agents = {
        "old": Agent(capabilities=("code",), **OLD),
        "twins": Agent(replicas=2, **OLD),
        "new": Agent(capabilities=("code",)),
        "quiet": Agent(runtime=Runtime.COMMAND, command=("quiet",)),
    }
    return Fleet(name="old", agents=agents)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Workplace]:
    async with working(tmp_path, sqlite_url(tmp_path / "store.sqlite"), old_fleet()) as place:
        yield place


async def submit(place: Workplace, value: Any = "x", *, agent: str = "old", **more: Any) -> Task:
    return await place.task_desk.submit(TaskRequest(agent=agent, input=value, **more))


async def fetch(place: Workplace, agent: str = "old", kind: str = "old") -> dict[str, Any]:
    task = await place.office.pull.next(agent, kind)
    assert task is not None
    return task


async def back_in_the_queue(place: Workplace, task_id: str) -> Task:
    async with asyncio.timeout(60):
        while (task := await place.task_desk.get(task_id)).state is WorkState.RUNNING:
            await asyncio.sleep(0.02)
    return task


def completion(task: dict[str, Any], **more: Any) -> Completion:
    return Completion(**{"task_id": task["id"], "status": "completed", **more})


async def test_a_task_waits_until_it_is_fetched_and_ends_with_what_the_agent_says(
    place: Workplace,
) -> None:
    task = await submit(place, {"type": "code", "text": "hi"})
    waiting = await place.task_desk.get(task.id)
    assert (waiting.state, "fetches its tasks itself" in waiting.reason) == ("pending", True)

    given = await fetch(place)
    assert (given["type"], given["text"], given["task"]) == ("code", "hi", task.id)
    assert await place.office.pull.next("old", "old") is None
    await place.office.pull.complete("old", completion(given, result={"answer": 42}))

    done = await place.task_desk.get(task.id)
    assert (done.state, done.output) == (WorkState.DONE, {"answer": 42})
    assert not place.gateway.calls  # nobody was called for it


async def test_what_fails_fails_with_the_agents_reason(place: Workplace) -> None:
    task = await submit(place)
    failed = completion(await fetch(place), status="failed", error="no such model")
    await place.office.pull.complete("old", failed)
    ended = await place.task_desk.get(task.id)
    assert ended.state is WorkState.FAILED
    assert ended.error == {"code": "AgentFailed", "message": "no such model"}


async def test_an_agent_gets_what_it_can_do_and_nothing_else(place: Workplace) -> None:
    await submit(place, agent="twins")
    assert await place.office.pull.next("old", "old") is None
    assert await place.office.pull.next("old", "twins") is None
    assert (await fetch(place, "twins", "some-type"))["input"] == "x"


async def test_a_capability_is_done_by_whoever_can(place: Workplace) -> None:
    async def later(body: dict[str, Any]) -> str:
        await asyncio.sleep(60)
        return "never"

    place.gateway.agents["new"] = later
    for number in range(5):  # the one that is called takes four at once
        await place.task_desk.submit(TaskRequest(capability="code", input=number))
    async with asyncio.timeout(60):
        while len(place.gateway.calls) < 4:
            await asyncio.sleep(0.01)
    assert (await fetch(place, "old", "code"))["input"] == 4


async def test_said_twice_it_counts_once(place: Workplace) -> None:
    await submit(place)
    said = completion(await fetch(place), result=1)
    await place.office.pull.complete("old", said)
    await place.office.pull.complete("old", said)
    with pytest.raises(NotFound):
        await place.office.pull.complete("old", completion({"id": "task-none.1"}))


async def test_no_agent_completes_the_task_of_another(place: Workplace) -> None:
    task = await submit(place)
    given = await fetch(place)
    with pytest.raises(Conflict):
        await place.office.pull.complete("twins", completion(given))
    assert (await place.task_desk.get(task.id)).state is WorkState.RUNNING


async def test_a_lease_that_expires_puts_the_task_back_and_a_late_completion_is_refused(
    place: Workplace,
) -> None:
    task = await submit(place, deadline=0.2)
    late = await fetch(place)
    back = await back_in_the_queue(place, task.id)
    assert "did not complete it within 0.2 s" in back.reason
    with pytest.raises(Conflict, match="not yours any more"):
        await place.office.pull.complete("old", completion(late, result="late"))

    async with asyncio.timeout(60):
        while (again := await place.office.pull.next("old", "old")) is None:
            await asyncio.sleep(0.05)
    assert (again["task"], again["attempt"]) == (task.id, 2)
    with pytest.raises(Conflict):
        await place.office.pull.complete("old", completion(late, result="late"))


async def test_an_agent_that_begins_anew_has_lost_what_it_had(place: Workplace) -> None:
    task = await submit(place)
    await submit(place, agent="twins")
    await place.office.pull.register("old", Registration(agent_name="old"))
    lost = await fetch(place)
    kept = await fetch(place, "twins", "twins")
    for agent in ("old", "twins"):
        await place.office.pull.register(agent, Registration(agent_name=agent))
    assert (await place.task_desk.get(task.id)).state is not WorkState.RUNNING
    with pytest.raises(Conflict):
        await place.office.pull.complete("old", completion(lost))
    await place.office.pull.complete("twins", completion(kept))  # its other process goes on


async def test_a_process_that_ends_gives_its_task_back(place: Workplace) -> None:
    task = await submit(place)
    await fetch(place)
    place.host.exits["old"] = Exit(
        instance="old.0", at=time.time() + 1, signal="SIGKILL", reason="killed by SIGKILL"
    )
    back = await back_in_the_queue(place, task.id)
    assert "old ended while it worked on it" in back.reason


async def test_a_poison_task_is_set_aside_after_three_deaths(place: Workplace) -> None:
    task = await submit(place)
    for _ in range(3):
        async with asyncio.timeout(60):
            while await place.office.pull.next("old", "old") is None:
                await asyncio.sleep(0.02)
        await place.office.pull.register("old", Registration())
    ended = await place.task_desk.get(task.id)
    assert ended.error is not None
    assert (ended.state, ended.error["code"]) == (WorkState.FAILED, "PoisonTask")


async def test_an_agent_without_heartbeats_is_started_again_and_its_tasks_go_back(
    tmp_path: Path,
) -> None:
    url, pace = sqlite_url(tmp_path / "store.sqlite"), Pace(QUICK, PATIENCE, silence=3.0)
    async with working(tmp_path, url, old_fleet(), pace=pace) as place:
        place.host.exits["quiet"] = Exit(instance="quiet.0", at=1.0, status=1, reason="long ago")
        await place.office.pull.register("quiet", Registration())
        task = await submit(place, agent="quiet")
        await fetch(place, "quiet")
        back = await back_in_the_queue(place, task.id)
        assert "quiet gave no heartbeat" in back.reason
        async with asyncio.timeout(60):
            while not place.host.restarted:
                await asyncio.sleep(0.02)
        assert place.host.restarted == ["quiet"]


async def test_a_step_of_a_workflow_may_be_done_by_an_agent_that_fetches(place: Workplace) -> None:
    invocation = Invocation(input={"page": 1}, task="run-1/read", deadline=20.0)
    asked = asyncio.create_task(place.office.calls.invoke("old", invocation))
    async with asyncio.timeout(60):
        while (given := await place.office.pull.next("old", "old")) is None:
            await asyncio.sleep(0.02)
    again = asyncio.create_task(place.office.calls.invoke("old", invocation))  # after a crash
    await place.office.pull.complete("old", completion(given, result="read"))
    assert [(await each).output for each in (asked, again)] == ["read", "read"]
    assert await place.office.pull.next("old", "old") is None


async def test_a_step_that_fails_is_tried_again_by_the_same_task(place: Workplace) -> None:
    invocation = Invocation(input=1, task="run-2/read", deadline=20.0)
    for status in ("failed", "completed"):
        asked = asyncio.create_task(place.office.calls.invoke("old", invocation))
        async with asyncio.timeout(60):
            while (given := await place.office.pull.next("old", "old")) is None:
                await asyncio.sleep(0.02)
        await place.office.pull.complete("old", completion(given, status=status, result="so"))
        if status == "failed":
            with pytest.raises(AgentFailed, match="so"):
                await asked
    assert (await asked).output == "so"


async def test_who_registers_is_called_no_more_and_that_outlives_a_restart(
    place: Workplace,
) -> None:
    await place.office.pull.beat("quiet", Heartbeat(agent_name="quiet", status="active"))
    await place.restart()
    task = await submit(place, agent="quiet")
    given = await fetch(place, "quiet", "anything")
    assert (given["task"], place.gateway.calls) == (task.id, [])


async def test_a_cancelled_task_is_nobodys_any_more(place: Workplace) -> None:
    task = await submit(place)
    given = await fetch(place)
    await place.task_desk.cancel(task.id)
    with pytest.raises(Conflict, match="cancelled"):
        await place.office.pull.complete("old", completion(given))


async def test_nobody_fetches_under_a_name_that_the_fleet_does_not_know(place: Workplace) -> None:
    with pytest.raises(NotFound):
        await place.office.pull.register("stranger", Registration())


def test_three_missed_heartbeats_end_a_registration() -> None:
    one = Fetcher(agent="a", since=0.0, beat=100.0)
    assert SILENCE == 3 * BEAT
    assert silent([one], 100.0 + SILENCE - 1, since=0.0) == []
    assert silent([one], 100.0 + SILENCE, since=0.0) == ["a"]
    assert silent([one], 1000.0, since=950.0) == []  # nothing could be heard before
