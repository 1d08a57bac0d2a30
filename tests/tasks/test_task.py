"""A durable task for one agent: done once, failed with a reason, cancelled, resumed."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from sutazai.fleet.errors import AgentFailed, BadInput, Conflict, InstanceLost, NotFound, QueueFull
from sutazai.fleet.status import Exit
from sutazai.fleet.work import TaskRequest, WorkState
from tests.tasks.conftest import Workplace
from tests.tasks.peers import Body, FakeGateway


async def echo(body: Body) -> Any:
    return {"echo": body["input"]}


def sleeper(began: asyncio.Event) -> Any:
    async def sleep(body: Body) -> str:
        began.set()
        await asyncio.sleep(60)
        return "never"

    return sleep


async def test_a_task_is_asked_once_and_its_answer_is_kept(workplace: Workplace) -> None:
    workplace.gateway.agents["helper"] = echo
    request = TaskRequest(agent="helper", input={"q": 1}, deadline=7.0)
    task = await workplace.task_desk.submit(request)
    assert task.state is WorkState.PENDING
    done = await workplace.ended_task(task.id)
    assert (done.state, done.output, done.error) == (WorkState.DONE, {"echo": {"q": 1}}, None)
    assert done.started is not None and done.ended is not None
    assert workplace.gateway.calls == [
        ("helper", {"input": {"q": 1}, "task": task.id, "deadline": 7.0})
    ]


async def test_the_same_key_is_the_same_task_and_another_one_is_refused(
    workplace: Workplace,
) -> None:
    workplace.gateway.agents["helper"] = echo
    request = TaskRequest(agent="helper", input=1, idempotency_key="k")
    first, second = await asyncio.gather(
        workplace.task_desk.submit(request), workplace.task_desk.submit(request)
    )
    assert first.id == second.id
    await workplace.ended_task(first.id)
    assert len(workplace.gateway.calls) == 1
    with pytest.raises(Conflict, match="belongs to another task"):
        await workplace.task_desk.submit(request.model_copy(update={"input": 2}))


async def test_an_agent_that_fails_gives_its_reason_and_its_last_lines(
    workplace: Workplace,
) -> None:
    async def fail(body: Body) -> Any:
        raise AgentFailed("helper failed: ValueError: no")

    workplace.gateway.agents["helper"] = fail
    workplace.host.lines["helper"] = ["Traceback", "ValueError: no"]
    task = await workplace.task_desk.submit(TaskRequest(agent="helper", input=1))
    failed = await workplace.ended_task(task.id)
    assert failed.state is WorkState.FAILED and failed.error is not None
    assert failed.error["message"] == "helper failed: ValueError: no"
    assert failed.error["data"]["lines"] == ["Traceback", "ValueError: no"]
    await workplace.until_announced(failed)
    assert len(workplace.gateway.calls) == 1


async def test_a_task_under_which_three_instances_died_is_set_aside(workplace: Workplace) -> None:
    async def die(body: Body) -> Any:
        workplace.host.exits["helper"] = Exit(
            instance="helper.0",
            at=time.time(),
            signal="SIGSEGV",
            reason="killed by SIGSEGV",
            lines=("last words",),
        )
        raise InstanceLost("the instance died while it worked")

    workplace.gateway.agents["helper"] = die
    task = await workplace.task_desk.submit(TaskRequest(agent="helper", input=1))
    failed = await workplace.ended_task(task.id)
    assert failed.error is not None
    assert failed.error["code"] == "PoisonTask"
    assert failed.error["data"] == {"exits": ["killed by SIGSEGV"] * 3, "lines": ["last words"]}
    assert [attempt.number for attempt in failed.attempts] == [1, 2, 3]
    first = failed.attempts[0].error
    assert first is not None
    assert first["data"] == {"exit": "killed by SIGSEGV", "lines": ["last words"]}


async def test_a_task_outlives_a_restart_of_the_gateway(workplace: Workplace) -> None:
    workplace.gateway.agents["helper"] = echo
    await workplace.gateway.close()
    task = await workplace.task_desk.submit(TaskRequest(agent="helper", input=1))
    gateway = FakeGateway()
    gateway.agents["helper"] = echo
    await gateway.listen(workplace.folder / "g.sock")
    done = await workplace.ended_task(task.id)
    assert done.state is WorkState.DONE
    await gateway.close()


async def test_an_agent_that_hangs_fails_at_its_deadline(workplace: Workplace) -> None:
    workplace.gateway.agents["helper"] = sleeper(asyncio.Event())
    task = await workplace.task_desk.submit(TaskRequest(agent="helper", input=1, deadline=0.1))
    failed = await workplace.ended_task(task.id)
    assert failed.error is not None and failed.error["code"] == "DeadlineExceeded"


async def test_a_cancelled_task_leaves_its_agent_at_once(workplace: Workplace) -> None:
    began = asyncio.Event()
    workplace.gateway.agents["helper"] = sleeper(began)
    task = await workplace.task_desk.submit(TaskRequest(agent="helper", input=1))
    await asyncio.wait_for(began.wait(), 60)
    cancelled = await workplace.task_desk.cancel(task.id)
    assert cancelled.state is WorkState.CANCELLED
    assert (await workplace.task_desk.cancel(task.id)).state is WorkState.CANCELLED
    await workplace.restart()
    assert (await workplace.task_desk.get(task.id)).state is WorkState.CANCELLED
    assert len(workplace.gateway.calls) == 1


async def test_what_has_ended_cannot_be_cancelled(workplace: Workplace) -> None:
    workplace.gateway.agents["helper"] = echo
    task = await workplace.task_desk.submit(TaskRequest(agent="helper", input=1))
    await workplace.ended_task(task.id)
    with pytest.raises(Conflict, match="ended already: done"):
        await workplace.task_desk.cancel(task.id)
    with pytest.raises(NotFound):
        await workplace.task_desk.cancel("task-unknown")


async def test_a_task_in_flight_is_resumed_after_a_restart(workplace: Workplace) -> None:
    began = asyncio.Event()
    workplace.gateway.agents["helper"] = sleeper(began)
    task = await workplace.task_desk.submit(TaskRequest(agent="helper", input=1))
    await asyncio.wait_for(began.wait(), 60)
    workplace.gateway.agents["helper"] = echo
    await workplace.restart()
    done = await workplace.ended_task(task.id)
    assert done.output == {"echo": 1}


async def test_the_number_of_open_tasks_is_bounded(workplace: Workplace) -> None:
    workplace.gateway.agents["helper"] = sleeper(asyncio.Event())
    for _ in range(20):
        await workplace.task_desk.submit(TaskRequest(agent="helper", input=1))
    with pytest.raises(QueueFull):
        await workplace.task_desk.submit(TaskRequest(agent="helper", input=1))


async def test_a_request_out_of_bounds_is_refused(workplace: Workplace) -> None:
    nan, long = float("nan"), "x" * 300
    for update in ({"deadline": 1e9}, {"deadline": nan}, {"idempotency_key": long}):
        request = TaskRequest(agent="helper", input=1).model_copy(update=update)
        with pytest.raises(BadInput):
            await workplace.task_desk.submit(request)


async def test_text_and_numbers_that_no_reader_takes_are_made_good(workplace: Workplace) -> None:
    async def odd(body: Body) -> Any:
        return {"half": "\ud800", "number": float("nan")}

    workplace.gateway.agents["helper"] = odd
    request = TaskRequest(agent="helper", input=["\udfff", float("inf")])
    task = await workplace.task_desk.submit(request)
    assert task.input == ["?", None]
    assert (await workplace.ended_task(task.id)).output == {"half": "?", "number": None}
