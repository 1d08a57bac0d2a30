"""Durable tasks: what was asked, where it stands, what came of it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.orm import Session

from sutazai.fleet.work import Task, TaskRequest, WorkState
from sutazai.store.database import Database
from sutazai.store.models import TaskRow

OPEN = (WorkState.PENDING, WorkState.RUNNING)
"""The states that a task or a run has not ended in."""


class Tasks:
    """The task table. A task ends once: what comes after its end changes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, task: Task, request: TaskRequest) -> Task:
        """Stores a new task, or gives the one that has the request's idempotency key already."""

        def work(session: Session) -> Task:
            if known := _by_key(session, request.idempotency_key):
                return _shape(known)
            row = TaskRow(**task.model_dump(mode="json"), deadline=request.deadline)
            row.priority = request.priority
            row.idempotency_key = request.idempotency_key
            session.add(row)
            return task

        return await self._database.write(work)

    async def get(self, task_id: str) -> Task | None:
        """One task, or None."""

        def work(session: Session) -> Task | None:
            row = session.get(TaskRow, task_id)
            return _shape(row) if row else None

        return await self._database.read(work)

    async def request(self, task_id: str) -> TaskRequest | None:
        """What was asked with a task, or None."""

        def work(session: Session) -> TaskRequest | None:
            row = session.get(TaskRow, task_id)
            return _request(row) if row else None

        return await self._database.read(work)

    async def newest(
        self, *, state: WorkState | None = None, agent: str | None = None, limit: int = 100
    ) -> list[Task]:
        """The newest tasks that match, newest first."""
        query = select(TaskRow).order_by(TaskRow.created.desc(), TaskRow.id.desc()).limit(limit)
        if state is not None:
            query = query.where(TaskRow.state == state)
        if agent is not None:
            query = query.where(TaskRow.agent == agent)
        return await self._database.read(
            lambda session: [_shape(r) for r in session.scalars(query)]
        )

    async def count_open(self) -> int:
        """How many tasks have not ended."""
        query = select(func.count()).select_from(TaskRow).where(TaskRow.state.in_(OPEN))
        return await self._database.read(lambda session: session.scalar(query) or 0)

    async def open_by_agent(self) -> dict[str, int]:
        """How many tasks have not ended, by agent; without those that have none."""
        query = (
            select(TaskRow.agent, func.count())
            .where(TaskRow.state.in_(OPEN))
            .group_by(TaskRow.agent)
        )
        return await self._database.read(
            lambda session: {row[0]: row[1] for row in session.execute(query)}
        )

    async def open_ids(self) -> list[str]:
        """The tasks that have not ended, oldest first."""
        query = select(TaskRow.id).where(TaskRow.state.in_(OPEN)).order_by(TaskRow.created)
        return await self._database.read(lambda session: list(session.scalars(query)))

    async def start(self, task_id: str, at: float) -> bool:
        """Marks a task as running; False where it has ended. The first start counts."""
        values = {"state": WorkState.RUNNING, "started": func.coalesce(TaskRow.started, at)}
        return await self._change(task_id, values)

    async def end(
        self,
        task_id: str,
        state: WorkState,
        at: float,
        *,
        output: Any = None,
        error: dict[str, Any] | None = None,
    ) -> bool:
        """Ends a task; False where it had ended before."""
        return await self._change(
            task_id, {"state": state, "ended": at, "output": output, "error": error}
        )

    async def retire(self, *, before: float, kept: int) -> int:
        """Deletes tasks that ended before a time, and the oldest beyond ``kept``; how many."""
        return await self._database.write(lambda session: _retire(session, before, kept))

    async def _change(self, task_id: str, values: dict[str, Any]) -> bool:
        query = (
            update(TaskRow)
            .where(TaskRow.id == task_id, TaskRow.state.in_(OPEN))
            .values(values)
            .returning(TaskRow.id)
        )
        return await self._database.write(lambda session: session.scalar(query) is not None)


def _by_key(session: Session, key: str | None) -> TaskRow | None:
    if key is None:
        return None
    return session.scalar(select(TaskRow).where(TaskRow.idempotency_key == key))


def _retire(session: Session, before: float, kept: int) -> int:
    surplus = _ended().order_by(TaskRow.ended.desc()).offset(kept)
    old = _ended().where(TaskRow.ended < before)
    ids = set(session.scalars(surplus)) | set(session.scalars(old))
    for task_id in ids:
        session.execute(delete(TaskRow).where(TaskRow.id == task_id))
    return len(ids)


def _ended() -> Select[str]:
    return select(TaskRow.id).where(TaskRow.state.not_in(OPEN))


def _shape(row: TaskRow) -> Task:
    return Task(
        id=row.id,
        agent=row.agent,
        input=row.input,
        state=WorkState(row.state),
        created=row.created,
        started=row.started,
        ended=row.ended,
        output=row.output,
        error=row.error,
        run=row.run,
        step=row.step,
    )


def _request(row: TaskRow) -> TaskRequest:
    return TaskRequest.model_validate(
        {
            "agent": row.agent,
            "input": row.input,
            "priority": row.priority,
            "deadline": row.deadline,
            "idempotency_key": row.idempotency_key,
        }
    )
