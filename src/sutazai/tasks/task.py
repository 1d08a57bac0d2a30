"""Takes durable tasks in, tells how they stand, cancels them and has them tried again."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence

from sutazai.fleet.errors import BadInput, Conflict, NotFound
from sutazai.fleet.ids import new_id
from sutazai.fleet.work import Task, TaskRequest, WorkState
from sutazai.store import Intake, TaskChanges, Tasks
from sutazai.store.intake import Taken
from sutazai.store.task_rows import NewTask
from sutazai.tasks.artifacts import ArtifactFolder
from sutazai.tasks.checking import BATCH_MAX, checked, digest_of
from sutazai.tasks.dispatch.bell import Bell
from sutazai.tasks.dispatch.dispatcher import Announce, Dispatcher
from sutazai.tasks.dispatch.routing import Crew
from sutazai.tasks.endings import Endings
from sutazai.tasks.queue.needs import in_order
from sutazai.tasks.queue.rank import rank

LOOK = 1.0
"""Seconds between two looks at a task that may end in another process."""


class TaskDesk:
    """The face of the queue.

    Args:
        announce: hears of each task that did not end well by what was asked for here.
        check_room: raises DiskFull where nothing new can be kept.
    """

    def __init__(
        self,
        tasks: Tasks,
        intake: Intake,
        changes: TaskChanges,
        *,
        crew: Crew,
        bell: Bell,
        dispatcher: Dispatcher,
        artifacts: ArtifactFolder,
        endings: Endings,
        announce: Announce,
        check_room: Callable[[], None] = lambda: None,
    ) -> None:
        self._tasks = tasks
        self._intake = intake
        self._changes = changes
        self._crew = crew
        self._bell = bell
        self._dispatcher = dispatcher
        self._artifacts = artifacts
        self._endings = endings
        self._announce = announce
        self._check_room = check_room

    async def submit(self, request: TaskRequest) -> Task:
        """Takes one task in; with a known idempotency key, the task that has it.

        Raises BadInput, NotFound, Conflict (the key was used for another task), QueueFull or
        DiskFull.
        """
        return (await self._take([request]))[0]

    async def submit_all(self, requests: Sequence[TaskRequest]) -> list[Task]:
        """Takes all of them in or none; the tasks in the order of ``requests``."""
        if len(requests) > BATCH_MAX:
            raise BadInput(f"a batch has {BATCH_MAX} tasks at most", hint="send several")
        patient = [_without_hurry(request) for request in requests]
        places = in_order(patient)
        tasks = await self._take([patient[place] for place in places])
        by_place = dict(zip(places, tasks, strict=True))
        return [by_place[place] for place in range(len(requests))]

    async def get(self, task_id: str) -> Task:
        """One task by id or key, with what it waits for. Raises NotFound."""
        return await self._explained(await self._found(task_id))

    async def _found(self, task_id: str) -> Task:
        task = await self._tasks.get(task_id)
        if task is None:
            raise NotFound(f"there is no task {task_id}", hint="it may have been retired")
        return task

    async def _explained(self, task: Task) -> Task:
        """With the reason why nobody takes it."""
        if task.state is WorkState.PENDING:
            running = await self._tasks.running_by_agent()
            obstacle = self._crew.obstacle(_lane(task), running)
            return task.model_copy(update={"reason": obstacle or task.reason})
        return task

    async def wait(self, task_id: str, seconds: float) -> Task:
        """One task once it has ended, or as it stands after ``seconds``. Raises NotFound."""
        until = time.monotonic() + seconds
        with self._endings.watch(task_id) as ended:
            while (task := await self._found(task_id)).state.is_open:
                left = until - time.monotonic()
                if left <= 0:
                    break
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(left, LOOK)):
                        await ended.wait()
        return await self._explained(task)

    async def cancel(self, task_id: str) -> Task:
        """Ends a task, also in the midst of its work. Raises NotFound, or Conflict where it has
        ended already."""
        task = await self.get(task_id)
        ended = await self._changes.cancel(task.id, time.time())
        if ended:
            self._dispatcher.withdraw(task.id)
            await self._tell(ended)
        task = await self.get(task.id)
        if task.state is not WorkState.CANCELLED:
            raise Conflict(f"task {task.id} has ended already: {task.state}")
        return task

    async def retry(self, task_id: str) -> Task:
        """Puts a task that did not end well into the queue again; what it has been through counts
        no more. Raises NotFound or Conflict."""
        task = await self.get(task_id)
        self._check_room()
        task = await self._changes.retry(task.id, time.time())
        self._bell.ring()
        return task

    async def _take(self, requests: Sequence[TaskRequest]) -> list[Task]:
        self._check_room()
        now = time.time()
        items = [await self._new(request, now) for request in requests]
        taken: Taken = await self._intake.take(items)
        self._bell.ring()
        await self._tell(taken.ended)
        return list(taken.tasks)

    async def _new(self, request: TaskRequest, now: float) -> NewTask:
        request = checked(request, self._crew.lanes)
        if request.file is not None:
            await asyncio.to_thread(self._artifacts.reference, request.file)
        ready = max(now, request.not_before or now + (request.delay or 0.0))
        return NewTask(
            new_id("task"),
            request,
            rank=rank(request.priority, ready),
            created=now,
            ready=ready,
            digest=digest_of(request) if request.dedup else None,
        )

    async def _tell(self, ended: Sequence[Task]) -> None:
        for task in ended:
            self._endings.tell(task.id)
            if task.state.is_dead:
                await self._announce(task)
        self._bell.ring()


def _without_hurry(request: TaskRequest) -> TaskRequest:
    """Nobody waits for a batch, so its tasks live in the queue until they are done."""
    if "ttl" in request.model_fields_set:
        return request
    return request.model_copy(update={"ttl": None})


def _lane(task: Task) -> str:
    if task.capability:
        return f"capability:{task.capability}"
    return f"group:{task.group}" if task.group else f"agent:{task.agent}"
