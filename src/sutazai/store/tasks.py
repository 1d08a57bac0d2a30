"""Durable tasks: what was asked, where it stands, what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from sqlalchemy import ColumnElement, Select, Table, delete, func, select
from sqlalchemy.orm import Session

from sutazai.fleet.work import DEAD, OPEN, Task, WorkState
from sutazai.store.database import Database
from sutazai.store.models import NeedRow, TaskRow
from sutazai.store.needs import parts
from sutazai.store.task_rows import task_of

TASKS = cast(Table, TaskRow.__table__)
ENDED_WELL = (WorkState.DONE, WorkState.CANCELLED)


@dataclass(frozen=True)
class Wanted:
    """Which tasks are meant; what is None or empty is not asked for.

    Args:
        kind: a state, or the code of an error.
        since, until: when it ended, in seconds since 1970.
    """

    states: tuple[WorkState, ...] = ()
    agent: str | None = None
    kind: str | None = None
    since: float | None = None
    until: float | None = None

    def narrow(self, query: Select[TaskRow]) -> Select[TaskRow]:
        """``query`` for these tasks only."""
        if self.states:
            query = query.where(TaskRow.state.in_(self.states))
        if self.agent is not None:
            query = query.where(TaskRow.agent == self.agent)
        if self.kind is not None:
            code = TaskRow.error["code"].as_string()
            query = query.where((TaskRow.state == self.kind) | (code == self.kind))
        if self.since is not None:
            query = query.where(TaskRow.ended >= self.since)
        if self.until is not None:
            query = query.where(TaskRow.ended <= self.until)
        return query


class Tasks:
    """The task table, to look into."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, task_id: str) -> Task | None:
        """One task by id or idempotency key, with its place in the queue; or None."""

        def work(session: Session) -> Task | None:
            row = session.get(TaskRow, task_id) or _by_key(session, task_id)
            if row is None:
                return None
            needed = select(NeedRow.needed).where(NeedRow.task == row.id).order_by(NeedRow.needed)
            task = task_of(row, tuple(session.scalars(needed)))
            return task.model_copy(update={"position": _position(session, row)})

        return await self._database.read(work)

    async def newest(
        self, *, state: WorkState | None = None, agent: str | None = None, limit: int = 100
    ) -> list[Task]:
        """The newest tasks that match, newest first."""
        return await self.find(Wanted((state,) if state else (), agent), limit=limit)

    async def find(self, wanted: Wanted, *, limit: int) -> list[Task]:
        """The newest of those that are wanted, newest first."""
        query = select(TaskRow).order_by(TaskRow.created.desc(), TaskRow.id.desc()).limit(limit)
        query = wanted.narrow(query)
        return await self._database.read(lambda session: [*map(task_of, session.scalars(query))])

    async def ended(self, after: tuple[float, str], until: float, *, limit: int) -> list[Task]:
        """Those that ended later than one of this time and id, and not later than ``until``; the
        first first."""
        query = select(TaskRow).where(*_ended(after, until))
        query = query.order_by(TaskRow.ended, TaskRow.id).limit(limit)
        return await self._database.read(lambda session: [*map(task_of, session.scalars(query))])

    async def ended_ids(self, after: tuple[float, str], until: float) -> list[str]:
        """The ids of all of them, in no order."""
        query = select(TaskRow.id).where(*_ended(after, until))
        return await self._database.read(lambda session: [*session.scalars(query)])

    async def count_open(self, keys: str = "") -> int:
        """How many tasks have not ended; with ``keys``, of those whose key begins so."""
        query = select(func.count()).select_from(TaskRow).where(TaskRow.state.in_(OPEN))
        if keys:
            query = query.where(TaskRow.idempotency_key.startswith(keys, autoescape=True))
        return await self._database.read(lambda session: session.scalar(query) or 0)

    async def open_by_agent(self) -> dict[str, int]:
        """How many tasks have not ended, by agent; without those that have none."""
        query = (
            select(TaskRow.agent, func.count())
            .where(TaskRow.state.in_(OPEN), TaskRow.agent.is_not(None))
            .group_by(TaskRow.agent)
        )
        return await self._database.read(
            lambda session: {str(row[0]): row[1] for row in session.execute(query)}
        )

    async def running_by_agent(self) -> dict[str, int]:
        """How many tasks each agent works on."""
        return await self._database.read(running_by_agent)

    async def retire(self, *, before: float, dead_before: float, kept: int) -> int:
        """Deletes tasks that ended before a time (failed, expired and shed ones before another),
        and of each kind the oldest beyond ``kept``; how many."""

        def work(session: Session) -> int:
            ids = _surplus(session, ENDED_WELL, before, kept)
            ids += _surplus(session, DEAD, dead_before, kept)
            for part in parts(ids):
                session.execute(delete(TaskRow).where(TaskRow.id.in_(part)))
            return len(ids)

        return await self._database.write(work)


def running_by_agent(session: Session) -> dict[str, int]:
    """How many tasks each agent works on, whoever gave it them."""
    return {str(row[0]): row[1] for row in session.execute(RUNNING)}


RUNNING = (
    select(TASKS.c.agent, func.count())
    .where(TASKS.c.state == WorkState.RUNNING)
    .group_by(TASKS.c.agent)
)


def _ended(after: tuple[float, str], until: float) -> tuple[ColumnElement[bool], ...]:
    at, last = after
    later = (TaskRow.ended > at) | ((TaskRow.ended == at) & (TaskRow.id > last))
    return TaskRow.state.not_in(OPEN), TaskRow.ended >= at, TaskRow.ended <= until, later


def _by_key(session: Session, key: str) -> TaskRow | None:
    return session.scalar(select(TaskRow).where(TaskRow.idempotency_key == key))


def _position(session: Session, row: TaskRow) -> int | None:
    if row.state != WorkState.PENDING:
        return None
    before = select(func.count()).where(TaskRow.state == WorkState.PENDING, TaskRow.rank < row.rank)
    return (session.scalar(before) or 0) + 1


def _surplus(
    session: Session, states: tuple[WorkState, ...], before: float, kept: int
) -> list[str]:
    ended = select(TaskRow.id).where(TaskRow.state.in_(states))
    surplus = session.scalars(ended.order_by(TaskRow.ended.desc()).offset(kept))
    old = session.scalars(ended.where(TaskRow.ended < before))
    return sorted({*surplus, *old})
