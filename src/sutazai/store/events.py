"""What happened: own events and those read from other processes, bounded."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from sutazai.fleet.status import Event
from sutazai.store.database import Database
from sutazai.store.models import EventRow, TailRow

KEPT = 20_000
"""How many events are kept; older ones are retired as new ones come."""


class Events:
    """The event log. Events are numbered anew in the order in which they are stored."""

    def __init__(self, database: Database, *, kept: int = KEPT) -> None:
        self._database = database
        self._kept = kept

    async def add(self, events: Sequence[Event]) -> int:
        """Stores events of our own; the sequence of the last one."""
        return await self._database.write(lambda session: self._add(session, events))

    async def add_from(self, source: str, events: Sequence[Event], position: int) -> int:
        """Stores events of another process and, in one transaction, how far it was read."""

        def work(session: Session) -> int:
            session.merge(TailRow(source=source, position=position))
            return self._add(session, events)

        return await self._database.write(work)

    async def position(self, source: str) -> int:
        """How far ``source`` was read; 0 when never."""

        def work(session: Session) -> int:
            row = session.get(TailRow, source)
            return row.position if row else 0

        return await self._database.read(work)

    async def after(self, sequence: int, *, limit: int) -> list[Event]:
        """The first ``limit`` events that follow ``sequence``, oldest first."""
        query = select(EventRow).where(EventRow.sequence > sequence)
        query = query.order_by(EventRow.sequence).limit(limit)
        return await self._database.read(lambda session: [*map(_shape, session.scalars(query))])

    async def newest(self, limit: int, *, after: int = 0, unit: str | None = None) -> list[Event]:
        """The last ``limit`` events that follow ``after``, oldest first."""
        query = select(EventRow).where(EventRow.sequence > after)
        if unit is not None:
            query = query.where(EventRow.unit == unit)
        query = query.order_by(EventRow.sequence.desc()).limit(limit)
        rows = await self._database.read(lambda session: [*map(_shape, session.scalars(query))])
        return rows[::-1]

    def _add(self, session: Session, events: Sequence[Event]) -> int:
        rows = [_row(event) for event in events]
        session.add_all(rows)
        session.flush()
        last = rows[-1].sequence if rows else 0
        session.execute(delete(EventRow).where(EventRow.sequence <= last - self._kept))
        return last


def _row(event: Event) -> EventRow:
    return EventRow(**event.model_dump(mode="json", exclude={"sequence"}))


def _shape(row: EventRow) -> Event:
    return Event(
        sequence=row.sequence,
        at=row.at,
        source=row.source,
        kind=row.kind,
        unit=row.unit,
        message=row.message,
        data=row.data,
    )
