"""Which units somebody stopped."""

from __future__ import annotations

from sqlalchemy import delete, select

from sutazai.store.database import Database
from sutazai.store.models import StopRow


class Stops:
    """Stopped by request, until started by request."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, unit: str, at: float) -> None:
        """Remembers that a unit is to stay stopped."""
        await self._database.write(lambda session: session.merge(StopRow(unit=unit, at=at)))

    async def remove(self, unit: str) -> None:
        """Forgets it."""
        query = delete(StopRow).where(StopRow.unit == unit)
        await self._database.write(lambda session: session.execute(query))

    async def all(self) -> frozenset[str]:
        """Every stopped unit."""
        return await self._database.read(
            lambda session: frozenset(session.scalars(select(StopRow.unit)))
        )
