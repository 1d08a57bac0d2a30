"""Runs of workflows, with their steps and artifacts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from sutazai.fleet.errors import Conflict, NotFound
from sutazai.fleet.work import OPEN, Run
from sutazai.store.database import Database
from sutazai.store.models import RunRow


class Runs:
    """The run table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, run: Run, declared: dict[str, Any] | None = None) -> None:
        """Stores a new run; with the workflow as it was declared then, for that may change.
        Raises Conflict where another process stored it meanwhile."""
        row = RunRow(**run.model_dump(mode="json"), declared=declared)
        try:
            await self._database.write(lambda session: session.add(row))
        except IntegrityError as error:
            raise Conflict(f"there is a run {run.id} already") from error

    async def declared(self, run_id: str) -> dict[str, Any] | None:
        """The workflow that a run was started with; None for the standard one."""
        query = select(RunRow.declared).where(RunRow.id == run_id)
        return await self._database.read(lambda session: session.scalar(query))

    async def get(self, run_id: str) -> Run | None:
        """One run, or None."""

        def work(session: Session) -> Run | None:
            row = session.get(RunRow, run_id)
            return _shape(row) if row else None

        return await self._database.read(work)

    async def newest(self, *, limit: int = 100) -> list[Run]:
        """The newest runs, newest first."""
        query = select(RunRow).order_by(RunRow.created.desc(), RunRow.id.desc()).limit(limit)
        return await self._database.read(
            lambda session: [_shape(r) for r in session.scalars(query)]
        )

    async def open_ids(self) -> list[str]:
        """The runs that have not ended, oldest first."""
        query = select(RunRow.id).where(RunRow.state.in_(OPEN)).order_by(RunRow.created)
        return await self._database.read(lambda session: list(session.scalars(query)))

    async def change(self, run_id: str, change: Callable[[Run], Run]) -> Run:
        """Applies a pure function to a run in one transaction; the new run. Raises NotFound.

        A run that has ended stays as it is.
        """

        def work(session: Session) -> Run:
            row = session.get(RunRow, run_id, with_for_update=True)
            if row is None:
                raise NotFound(f"there is no run {run_id}")
            if row.state not in OPEN:
                return _shape(row)
            changed = change(_shape(row))
            for name, value in changed.model_dump(mode="json", exclude={"id"}).items():
                setattr(row, name, value)
            return changed

        return await self._database.write(work)

    async def retire(self, *, before: float, kept: int) -> list[str]:
        """Deletes runs that ended before a time, and the oldest beyond ``kept``; their ids."""
        ended = select(RunRow.id).where(RunRow.state.not_in(OPEN))

        def work(session: Session) -> list[str]:
            surplus = session.scalars(ended.order_by(RunRow.created.desc()).offset(kept))
            old = session.scalars(ended.where(RunRow.ended < before))
            ids = sorted({*surplus, *old})
            for run_id in ids:
                session.execute(delete(RunRow).where(RunRow.id == run_id))
            return ids

        return await self._database.write(work)


def _shape(row: RunRow) -> Run:
    return Run.model_validate({key: getattr(row, key) for key in Run.model_fields})
