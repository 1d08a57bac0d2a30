"""Durable tasks: one agent is asked once, and what came of it is kept."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from sutazai.fleet.errors import BadInput, Conflict, Failed, NotFound, QueueFull, SutazaiError
from sutazai.fleet.ids import new_id
from sutazai.fleet.work import Invocation, Task, TaskRequest, WorkState
from sutazai.store import Tasks
from sutazai.tasks.attempts import attempt
from sutazai.tasks.calls import AgentCalls, well_formed
from sutazai.tasks.engine import Engine, Life
from sutazai.tasks.inflight import InFlight, Withdrawn
from sutazai.tasks.outcome import WITHDRAWN, Outcome
from sutazai.tasks.retries import NOT_THE_AGENTS, Retries

WORKFLOW = "task"
OPEN_MAX = 10_000
AT_ONCE = 64
DEADLINE_MAX = 86_400.0
KEY_MAX = 256
RETRIES = Retries(4, first=0.25, only=NOT_THE_AGENTS)
"""A task outlives a restart of the gateway (2 s); what the agent does wrong is its answer."""

log = logging.getLogger(__name__)

Announce = Callable[[Task], Awaitable[None]]


class TaskDesk:
    """Takes tasks in, works through them, cancels them.

    Args:
        announce: hears of each task that failed.
    """

    def __init__(
        self,
        tasks: Tasks,
        engine: Engine,
        calls: AgentCalls,
        announce: Announce,
        *,
        retries: Retries = RETRIES,
        open_max: int = OPEN_MAX,
    ) -> None:
        self._tasks = tasks
        self._engine = engine
        self._calls = calls
        self._announce = announce
        self._retries = retries
        self._open_max = open_max
        self._in_flight = InFlight()
        self._slots = asyncio.Semaphore(AT_ONCE)
        engine.register(WORKFLOW, self._work)

    async def submit(self, request: TaskRequest) -> Task:
        """Records a task and starts it; with a known idempotency key, the task that has it.

        Raises BadInput, Conflict (the key was used for another task) or QueueFull.
        """
        request = _checked(request)
        if await self._tasks.count_open() >= self._open_max:
            raise QueueFull(
                f"{self._open_max} tasks have not ended yet",
                hint="try again later, or cancel tasks that are not needed",
            )
        new = Task(
            id=new_id("task"),
            agent=request.agent,
            input=request.input,
            state=WorkState.PENDING,
            created=time.time(),
        )
        task = await self._tasks.add(new, request)
        if (task.agent, task.input) != (request.agent, request.input):
            raise Conflict(
                f"idempotency key {request.idempotency_key!r} belongs to another task",
                hint="use a key of its own for each piece of work",
                task=task.id,
            )
        if task.id == new.id:
            await self._start(task)
        return task

    async def _start(self, task: Task) -> None:
        try:
            await self._engine.start(WORKFLOW, task.id)
        except SutazaiError as error:  # whoever asked is told, so nothing may come of it later
            await self._tasks.end(task.id, WorkState.FAILED, time.time(), error=error.as_dict())
            raise

    async def cancel(self, task_id: str) -> Task:
        """Ends a task without a result. Raises NotFound, or Conflict where it has ended."""
        if await self._tasks.end(task_id, WorkState.CANCELLED, time.time()):
            self._in_flight.withdraw(task_id)
        task = await self.get(task_id)
        if task.state is not WorkState.CANCELLED:
            raise Conflict(f"task {task_id} has ended already: {task.state}")
        return task

    async def get(self, task_id: str) -> Task:
        """One task. Raises NotFound."""
        task = await self._tasks.get(task_id)
        if task is None:
            raise NotFound(f"there is no task {task_id}", hint="it may have been retired")
        return task

    async def recover(self) -> None:
        """After a launch: starts what was recorded and not started, ends what cannot go on."""
        for task_id in await self._tasks.open_ids():
            life = await self._engine.life(task_id)
            if life is Life.ABSENT:
                await self._engine.start(WORKFLOW, task_id)
            elif life is Life.OVER:
                await self._end(task_id, Outcome(error=_lost(task_id).as_dict()))

    async def _work(self, task_id: str) -> None:
        """The workflow: one recorded step, and its result in the task table."""
        try:
            outcome = await self._engine.step("invoke", self._invoke, task_id)
        except Exception as error:
            log.exception("task %s failed in an unforeseen way", task_id)
            outcome = Outcome(error=Failed(f"{type(error).__name__}: {error}").as_dict())
            await self._end(task_id, outcome)
            raise
        await self._end(task_id, outcome)

    async def _invoke(self, task_id: str) -> Outcome:
        try:
            return await self._in_flight.run(task_id, self._ask(task_id))
        except Withdrawn:
            return WITHDRAWN
        except SutazaiError as error:
            return Outcome(error=well_formed(error.as_dict()))

    async def _ask(self, task_id: str) -> Outcome:
        async with self._slots:
            request = await self._tasks.request(task_id)
            if request is None or not await self._tasks.start(task_id, time.time()):
                return WITHDRAWN
            invocation = Invocation(
                input=request.input,
                task=task_id,
                priority=request.priority,
                deadline=request.deadline,
            )
            result = await attempt(
                lambda: self._calls.invoke(request.agent, invocation), self._retries, _log_failure
            )
            return Outcome(value=result.output)

    async def _end(self, task_id: str, outcome: Outcome) -> None:
        if outcome.withdrawn:
            return
        state = WorkState.DONE if outcome.ok else WorkState.FAILED
        ended = await self._tasks.end(
            task_id, state, time.time(), output=outcome.value, error=outcome.error
        )
        if ended and state is WorkState.FAILED:
            await self._announce(await self.get(task_id))


async def _log_failure(error: SutazaiError) -> None:
    log.warning("trying again: %s", error)


def check_deadline(seconds: float) -> None:
    """Raises BadInput for what no agent takes."""
    if not 0 < seconds <= DEADLINE_MAX:
        raise BadInput(f"`deadline` is a number of seconds up to {DEADLINE_MAX:.0f}")


def _checked(request: TaskRequest) -> TaskRequest:
    check_deadline(request.deadline)
    if request.idempotency_key is not None and not 0 < len(request.idempotency_key) <= KEY_MAX:
        raise BadInput(f"`idempotency_key` has 1 to {KEY_MAX} characters")
    return request.model_copy(update={"input": well_formed(request.input)})


def _lost(task_id: str) -> Failed:
    return Failed(
        f"task {task_id} cannot be resumed by this version",
        hint="submit it again",
    )
