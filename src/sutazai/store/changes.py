"""What people do to tasks: cancel, try again, drop."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from sutazai.fleet.errors import Conflict
from sutazai.fleet.work import DEAD, OPEN, Task, WorkState
from sutazai.store.database import Database
from sutazai.store.models import NeedRow, TaskRow
from sutazai.store.needs import parts, settle
from sutazai.store.sharing import lock_queue
from sutazai.store.task_rows import task_of, waiting_reason
from sutazai.store.tasks import Wanted


class TaskChanges:
    """Changes of tasks by their ids."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def cancel(self, task_id: str, now: float) -> list[Task]:
        """Ends an open task, and those that wait for it; all that ended, itself first."""

        def work(session: Session) -> list[Task]:
            lock_queue(session)
            query = (
                update(TaskRow)
                .where(TaskRow.id == task_id, TaskRow.state.in_(OPEN))
                .values(
                    state=WorkState.CANCELLED,
                    ended=now,
                    reason="somebody cancelled it",
                    fence=TaskRow.fence + 1,
                )
                .returning(TaskRow.id)
            )
            if session.scalar(query) is None:
                return []
            ended = [task_id, *settle(session, [(task_id, WorkState.CANCELLED)], now)]
            rows = session.scalars(select(TaskRow).where(TaskRow.id.in_(ended)))
            return sorted(map(task_of, rows), key=lambda task: task.id != task_id)

        return await self._database.write(work)

    async def retry(self, task_id: str, now: float) -> Task:
        """Puts a task that did not end well into the queue again. Raises Conflict."""

        def work(session: Session) -> Task:
            lock_queue(session)
            row = session.get_one(TaskRow, task_id)
            if row.state in OPEN or row.state == WorkState.DONE:
                raise Conflict(f"task {task_id} cannot be tried again: it is {row.state}")
            _renew(session, row, now)
            return task_of(row)

        return await self._database.write(work)

    async def replay(self, wanted: Wanted, now: float, *, limit: int) -> list[str]:
        """Puts dead letters into the queue again, the oldest first; their ids.

        Left out are those that wait for a task that is dead and is not among them.
        """

        def work(session: Session) -> list[str]:
            lock_queue(session)
            query = wanted.narrow(select(TaskRow).where(TaskRow.state.in_(DEAD)))
            rows = session.scalars(query.order_by(TaskRow.created, TaskRow.id).limit(limit)).all()
            return [row.id for row in rows if _renewed(session, row, now)]

        return await self._database.write(work)

    async def drop(self, ids: Sequence[str]) -> int:
        """Forgets dead letters; how many there were."""

        def work(session: Session) -> int:
            lock_queue(session)
            dropped = 0
            for part in parts(ids):
                query = delete(TaskRow).where(TaskRow.id.in_(part), TaskRow.state.in_(DEAD))
                dropped += len(session.scalars(query.returning(TaskRow.id)).all())
            return dropped

        return await self._database.write(work)


def _renewed(session: Session, row: TaskRow, now: float) -> bool:
    try:
        _renew(session, row, now)
    except Conflict:
        return False
    return True


def _renew(session: Session, row: TaskRow, now: float) -> None:
    """As if it were new; what went wrong before counts no more."""
    needed = select(TaskRow.id, TaskRow.state).join(NeedRow, NeedRow.needed == TaskRow.id)
    states = session.execute(needed.where(NeedRow.task == row.id)).all()
    for task, state in states:
        if state not in OPEN and state != WorkState.DONE:
            raise Conflict(
                f"task {row.id} depends on {task}, which is {state}",
                hint=f"sutazai tasks retry {task}",
            )
    row.needs = sum(state != WorkState.DONE for _, state in states)
    row.state = WorkState.WAITING if row.needs else WorkState.PENDING
    row.reason = waiting_reason(row.needs) if row.needs else ""
    row.expires = None if row.needs or row.ttl is None else now + row.ttl
    row.ready, row.ended, row.error, row.output = now, None, None, None
    row.pardoned, row.fence = row.attempt, row.fence + 1
    if not row.lane.startswith("agent:"):
        row.agent = None
    session.flush()
