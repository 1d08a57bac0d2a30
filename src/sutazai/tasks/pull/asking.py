"""Asks an agent that fetches its tasks: by a task, for nobody can call it."""

from __future__ import annotations

from sutazai.fleet.errors import DeadlineExceeded, Failed, from_dict
from sutazai.fleet.ids import new_id
from sutazai.fleet.work import Invocation, Result, Task, TaskRequest, WorkState
from sutazai.tasks.task import TaskDesk


async def ask_by_task(desk: TaskDesk, agent: str, invocation: Invocation) -> Result:
    """What ``agent`` makes of it, within the invocation's deadline. Raises any SutazaiError.

    The same work is the same task, so a step that is resumed after a crash waits for the task that
    it gave before. What is not wanted any more leaves the queue by its time to live.
    """
    task = await desk.submit(
        TaskRequest(
            agent=agent,
            input=invocation.input,
            priority=invocation.priority,
            deadline=invocation.deadline,
            ttl=invocation.deadline,
            run=invocation.run,
            idempotency_key=f"asked/{invocation.task or new_id('task')}",
        )
    )
    if not task.state.is_open and task.state is not WorkState.DONE:
        task = await desk.retry(task.id)  # an attempt before this one failed
    task = await desk.wait(task.id, invocation.deadline)
    if task.state.is_open:
        await desk.cancel(task.id)
        raise DeadlineExceeded(
            f"{agent} was not done after {invocation.deadline:g} s",
            hint="give it a longer deadline, or look at whether it fetches its tasks",
        )
    return _result(task, agent)


def _result(task: Task, agent: str) -> Result:
    if task.state is not WorkState.DONE:
        raise from_dict(task.error) if task.error else Failed(f"task {task.id} is {task.state}")
    seconds = (task.ended or 0.0) - (task.started or 0.0)
    return Result(output=task.output, agent=agent, instance="", seconds=seconds)
