"""Durable tasks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from sutazai.control.api.parts import PartsDep
from sutazai.fleet.errors import SutazaiError
from sutazai.fleet.traces import Span
from sutazai.fleet.work import Task, TaskBatch, TaskRequest, WorkState
from sutazai.observe.traces.assembling import trace_of

router = APIRouter(prefix="/tasks", tags=["tasks"])

WAIT_MAX = 60.0


@router.post("")
async def submit(parts: PartsDep, request: TaskRequest) -> Task:
    """Gives work that survives every crash: to an agent, or to any with a capability or of a
    group. The same `idempotency_key` is the same task; `deadline` bounds each attempt."""
    return await parts.work.task_desk.submit(request)


@router.post("/batch")
async def submit_batch(parts: PartsDep, batch: TaskBatch) -> list[Task]:
    """Gives several at once, all or none. They may depend on each other by idempotency key, and
    wait in the queue as long as it takes unless they say otherwise."""
    return await parts.work.task_desk.submit_all(batch.tasks)


@router.get("")
async def list_tasks(
    parts: PartsDep,
    state: WorkState | None = None,
    agent: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[Task]:
    """The newest tasks, newest first."""
    return await parts.work.tasks.newest(state=state, agent=agent, limit=limit)


@router.get("/open")
async def count_open(parts: PartsDep) -> dict[str, int]:
    """How many tasks have not ended, by agent."""
    return await parts.work.tasks.open_by_agent()


@router.get("/{task_id}")
async def show(
    parts: PartsDep, task_id: str, wait: Annotated[float, Query(ge=0, le=WAIT_MAX)] = 0.0
) -> Task:
    """One task by id or idempotency key; with `wait` once it has ended, or after so many
    seconds."""
    return await parts.work.task_desk.wait(task_id, wait)


@router.get("/{task_id}/trace")
async def trace(parts: PartsDep, task_id: str) -> Span:
    """Where its time went: waits, attempts, and in them the calls to models, as they are
    recorded."""
    task = await parts.work.task_desk.get(task_id)
    try:
        return trace_of(task, await parts.gateway.calls(task))
    except SutazaiError as error:
        return trace_of(task, (), note=f"its calls to models cannot be had: {error.message}")


@router.post("/{task_id}/cancel")
async def cancel(parts: PartsDep, task_id: str) -> Task:
    """Ends a task that has not ended, also in the midst of its work."""
    return await parts.work.task_desk.cancel(task_id)


@router.post("/{task_id}/retry")
async def retry(parts: PartsDep, task_id: str) -> Task:
    """Puts a task that failed, expired, was shed or was cancelled into the queue again."""
    return await parts.work.task_desk.retry(task_id)
