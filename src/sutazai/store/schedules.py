"""What is remembered of schedules over restarts."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from sutazai.fleet.scheduling import ScheduleState
from sutazai.fleet.work import OPEN
from sutazai.store.database import Database
from sutazai.store.models import RunRow, ScheduleRow, TaskRow
from sutazai.store.sharing import is_shared

LOCK = 7_210_004
"""Number of the lock that Postgres gives for changes of schedules."""

Change = Callable[[ScheduleState], ScheduleState]


class Schedules:
    """The schedule table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, name: str) -> ScheduleState:
        """One schedule's state, a fresh one where nothing is known."""
        return await self._database.read(lambda session: _state(session, name))

    async def change(self, name: str, change: Change) -> tuple[ScheduleState, ScheduleState]:
        """Applies a pure function to a state in one transaction; the state before and after."""

        def work(session: Session) -> tuple[ScheduleState, ScheduleState]:
            before = _state(session, name, lock=True)
            after = change(before)
            if after != before:
                session.merge(ScheduleRow(**after.model_dump(mode="json")))
            return before, after

        return await self._database.write(work)

    async def open_work(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Those of these tasks and runs that have not ended."""
        wanted = tuple(ids)
        if not wanted:
            return ()
        queries = (
            select(row.id).where(row.id.in_(wanted), row.state.in_(OPEN))
            for row in (TaskRow, RunRow)
        )

        def work(session: Session) -> set[str]:
            return {found for query in queries for found in session.scalars(query)}

        found = await self._database.read(work)
        return tuple(each for each in wanted if each in found)


def _state(session: Session, name: str, *, lock: bool = False) -> ScheduleState:
    if lock and is_shared(session):  # a row's own lock would not hold before it is there
        session.execute(select(func.pg_advisory_xact_lock(LOCK)))
    row = session.get(ScheduleRow, name)
    if row is None:
        return ScheduleState(name=name)
    columns = ScheduleRow.__table__.columns
    return ScheduleState.model_validate({each.key: getattr(row, each.key) for each in columns})
