"""Durable tasks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from sutazai.control.api.parts import PartsDep
from sutazai.fleet.work import Task, TaskRequest, WorkState

router = APIRouter(prefix="/tasks", tags=["tasks"])


@router.post("")
async def submit(parts: PartsDep, request: TaskRequest) -> Task:
    """Gives an agent work that survives every crash. The same `idempotency_key` is the same task;
    `deadline` bounds each time that the agent is asked."""
    parts.agent(request.agent)
    return await parts.work.task_desk.submit(request)


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
async def show(parts: PartsDep, task_id: str) -> Task:
    """One task."""
    return await parts.work.task_desk.get(task_id)


@router.post("/{task_id}/cancel")
async def cancel(parts: PartsDep, task_id: str) -> Task:
    """Ends a task that has not ended."""
    return await parts.work.task_desk.cancel(task_id)
