"""What the gateway is told of the work that an agent is asked to do."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from sutazai.fleet.declared import Priority
from sutazai.fleet.errors import TaskStopped
from sutazai.fleet.work import Invocation, RunRequest, TaskRequest, WorkState
from sutazai.tasks.calls import handed
from tests.tasks.conftest import Workplace
from tests.tasks.peers import Body


def test_an_invocation_tells_what_it_is_for_and_no_more() -> None:
    whole = Invocation(
        input="x", task="run-1/plan", run="run-1", priority=Priority.LOW, deadline=1.5
    )
    assert handed(whole) == [
        ("x-sutazai-task", "run-1/plan"),
        ("x-sutazai-run", "run-1"),
        ("x-sutazai-priority", "low"),
        ("x-sutazai-deadline", "1.500"),
    ]
    assert handed(Invocation(input="x")) == [("x-sutazai-deadline", "300.000")]


@pytest.mark.parametrize("task", ["", " x", "a\nb", "ä", "x" * 201])
def test_what_cannot_go_by_header_is_refused(task: str) -> None:
    with pytest.raises(ValidationError):
        Invocation(input="x", task=task)


async def test_a_task_is_handed_on_with_its_priority(workplace: Workplace) -> None:
    async def echo(body: Body) -> Any:
        return body["input"]

    workplace.gateway.agents["helper"] = echo
    request = TaskRequest(agent="helper", input=1, priority=Priority.HIGH)
    task = await workplace.ended_task((await workplace.task_desk.submit(request)).id)
    assert task.state is WorkState.DONE
    told = workplace.gateway.headers[0]
    assert told.get("x-sutazai-task") == task.id
    assert told.get("x-sutazai-priority") == "high"
    assert told.get("x-sutazai-deadline") == "300.000"


async def test_a_stopped_task_fails_with_the_reason_and_is_not_tried_again(
    workplace: Workplace,
) -> None:
    async def stopped(body: Body) -> Any:
        raise TaskStopped("the task was stopped: it went in circles", task="t", reason="loop")

    workplace.gateway.agents.update(helper=stopped, planner=stopped)
    submitted = await workplace.task_desk.submit(TaskRequest(agent="helper", input=1))
    task = await workplace.ended_task(submitted.id)
    assert task.state is WorkState.FAILED and task.error is not None
    assert (task.error["code"], task.error["data"]["reason"]) == ("TaskStopped", "loop")

    begun = await workplace.run_desk.start(RunRequest(goal="g"))
    run = await workplace.ended_run(begun.id)
    assert run.state is WorkState.FAILED
    assert (run.steps[0].attempts, (run.steps[0].error or {})["code"]) == (1, "TaskStopped")
    told = workplace.gateway.headers[-1]
    assert told.get("x-sutazai-task") == f"{run.id}/plan"
    assert told.get("x-sutazai-run") == run.id
