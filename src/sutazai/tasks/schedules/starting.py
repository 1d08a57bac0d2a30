"""Gives what is due to the desks: each time once, whoever asks and however often."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable

from sutazai.fleet.errors import Conflict, NotFound
from sutazai.fleet.scheduling import Schedule, ScheduledRun, ScheduledTask
from sutazai.fleet.work import RunRequest, TaskRequest
from sutazai.tasks.desk import RunDesk
from sutazai.tasks.task import TaskDesk


class Starter:
    """Begins the work of schedules, and cancels it."""

    def __init__(self, tasks: TaskDesk, runs: RunDesk) -> None:
        self._tasks = tasks
        self._runs = runs

    async def start(self, schedule: Schedule, key: str, *, ttl: float | None) -> str:
        """The id of the task or run that was begun, now or earlier, for ``key``.

        Args:
            ttl: seconds that a task may wait in the queue; None for as long as it takes.

        Raises what the desks raise.
        """
        if schedule.task is not None:
            return await self._task(schedule.task, key, ttl)
        assert schedule.run is not None  # noqa: S101 (the model holds one of both)
        return await self._run(schedule.run, key)

    async def cancel(self, ids: Iterable[str]) -> None:
        """Ends work that has not ended."""
        for each in ids:
            desk = self._runs if each.startswith("run-") else self._tasks
            with contextlib.suppress(Conflict, NotFound):  # it ended meanwhile
                await desk.cancel(each)

    async def _task(self, task: ScheduledTask, key: str, ttl: float | None) -> str:
        try:
            return (await self._tasks.submit(_request(task, key, ttl))).id
        except Conflict:  # begun for this key before the fleet file was changed
            return (await self._tasks.get(key)).id

    async def _run(self, run: ScheduledRun, key: str) -> str:
        run_id = f"run-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
        request = RunRequest(
            goal=run.goal, backlog=run.backlog, workflow=run.workflow, input=run.input
        )
        with contextlib.suppress(Conflict):  # another process begins it just now
            await self._runs.start(request, run_id=run_id)
        return run_id


def _request(task: ScheduledTask, key: str, ttl: float | None) -> TaskRequest:
    given = {"input": task.input} if task.file is None else {"file": task.file}
    return TaskRequest(
        agent=task.agent,
        capability=task.capability,
        group=task.group,
        priority=task.priority,
        deadline=task.deadline,
        retries=task.retries,
        backoff=task.backoff,
        idempotency_key=key,
        ttl=ttl,
        **given,
    )
