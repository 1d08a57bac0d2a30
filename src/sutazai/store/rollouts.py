"""Rollouts, the one that goes on and those that ended."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from sutazai.fleet.errors import Conflict, NotFound
from sutazai.fleet.shapes import Shape
from sutazai.store.database import Database
from sutazai.store.models import RolloutRow

KEPT = 50
"""How many ended rollouts are kept; the oldest go first."""


class RolloutRecord(Shape):
    """One rollout from revision ``before`` to ``after``; times in seconds since 1970.

    ``state`` is where it stands, as `fleet.rollouts.RolloutState` has it.
    """

    number: int
    before: int
    after: int
    author: str
    reason: str
    begun: float
    ended: float | None = None
    state: dict[str, Any]


class Rollouts:
    """The rollout table. One rollout at most goes on at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, record: RolloutRecord) -> None:
        """Writes a new one down. Raises Conflict while another one goes on."""

        def work(session: Session) -> None:
            if (open_row := _open(session)) is not None:
                raise Conflict(f"rollout {open_row.number} goes on", rollout=open_row.number)
            session.add(RolloutRow(**record.model_dump(mode="json")))
            session.execute(delete(RolloutRow).where(RolloutRow.number <= record.number - KEPT))

        await self._database.write(work)

    async def save(self, number: int, state: dict[str, Any], ended: float | None) -> None:
        """Keeps where it stands; ``ended`` is when it ended, None while it goes on."""
        change = update(RolloutRow).where(RolloutRow.number == number)
        await self._database.write(
            lambda session: session.execute(change.values(state=state, ended=ended))
        )

    async def open(self) -> RolloutRecord | None:
        """The one that goes on."""

        def work(session: Session) -> RolloutRecord | None:
            row = _open(session)
            return None if row is None else _shape(row)

        return await self._database.read(work)

    async def get(self, number: int) -> RolloutRecord:
        """One of them. Raises NotFound."""

        def work(session: Session) -> RolloutRecord:
            row = session.get(RolloutRow, number)
            if row is None:
                raise NotFound(f"there is no rollout {number}", hint="sutazai rollout history")
            return _shape(row)

        return await self._database.read(work)

    async def history(self, limit: int) -> list[RolloutRecord]:
        """The last of them, newest first."""
        query = select(RolloutRow).order_by(RolloutRow.number.desc()).limit(limit)
        return await self._database.read(
            lambda session: [_shape(row) for row in session.scalars(query)]
        )

    async def next_number(self) -> int:
        """The number that the next one gets."""
        newest = select(func.coalesce(func.max(RolloutRow.number), 0))
        return 1 + await self._database.read(lambda session: session.execute(newest).scalar_one())


def _open(session: Session) -> RolloutRow | None:
    return session.scalar(select(RolloutRow).where(RolloutRow.ended.is_(None)))


def _shape(row: RolloutRow) -> RolloutRecord:
    return RolloutRecord(**{name: getattr(row, name) for name in RolloutRecord.model_fields})
