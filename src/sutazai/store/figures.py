"""Counts over the tables, for metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from sutazai.fleet.work import DEAD, WorkState
from sutazai.store.database import Database
from sutazai.store.models import RunRow, ScheduleRow, TaskRow


@dataclass(frozen=True)
class WorkFigures:
    """How many there are: tasks and runs by state, queued tasks by priority (empty where none was
    given), schedules that are paused and that have something due. ``ready`` is since when the
    oldest task in the queue could be done, in seconds since 1970."""

    tasks: Mapping[str, int]
    runs: Mapping[str, int]
    queued: Mapping[str, int]
    ready: float | None
    paused: int
    due: int

    @property
    def dead(self) -> int:
        """Dead letters."""
        return sum(self.tasks.get(state, 0) for state in DEAD)


class Figures:
    """Reads them all in one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> WorkFigures:
        """As of now. Raises Unavailable."""
        return await self._database.read(_figures)


def _figures(session: Session) -> WorkFigures:
    schedules = session.execute(SCHEDULES).all()
    return WorkFigures(
        tasks={str(state): count for state, count in session.execute(TASKS)},
        runs={str(state): count for state, count in session.execute(RUNS)},
        queued={str(priority or ""): count for priority, count in session.execute(QUEUED)},
        ready=session.scalar(READY),
        paused=sum(paused is not None for paused, _ in schedules),
        due=sum(bool(due) for _, due in schedules),
    )


TASKS = select(TaskRow.state, func.count()).group_by(TaskRow.state)
RUNS = select(RunRow.state, func.count()).group_by(RunRow.state)
QUEUED = (
    select(TaskRow.priority, func.count())
    .where(TaskRow.state == WorkState.PENDING)
    .group_by(TaskRow.priority)
)
READY = select(func.min(TaskRow.ready)).where(TaskRow.state == WorkState.PENDING)
SCHEDULES = select(ScheduleRow.paused, ScheduleRow.due)
