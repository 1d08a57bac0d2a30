"""Which agents registered to fetch their tasks, and when each last gave a heartbeat."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from sutazai.fleet.fetching import Fetcher, Registration
from sutazai.store.database import Database
from sutazai.store.models import FetcherRow


class Fetchers:
    """The table of registrations; one an agent. Times are seconds since 1970."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def enter(self, agent: str, said: Registration, now: float) -> None:
        """An agent registers, for the first time or anew."""
        row = FetcherRow(agent=agent, since=now, beat=now, said=said.model_dump(mode="json"))
        await self._database.write(lambda session: session.merge(row))

    async def beat(self, agent: str, now: float) -> bool:
        """An agent lives; False where it is not registered."""
        query = update(FetcherRow).where(FetcherRow.agent == agent).values(beat=now)
        beaten = query.returning(FetcherRow.agent)
        return await self._database.write(lambda session: session.scalar(beaten) is not None)

    async def all(self) -> dict[str, Fetcher]:
        """Every registration, by agent."""
        return await self._database.read(_all)

    async def expire(self, agents: Collection[str], before: float) -> list[str]:
        """Forgets those of ``agents`` whose last heartbeat was ``before`` a time; who they were."""
        query = delete(FetcherRow).where(FetcherRow.agent.in_(agents), FetcherRow.beat < before)
        expired = query.returning(FetcherRow.agent)
        return await self._database.write(lambda session: list(session.scalars(expired)))


def _all(session: Session) -> dict[str, Fetcher]:
    return {
        row.agent: Fetcher(
            agent=row.agent,
            since=row.since,
            beat=row.beat,
            said=Registration.model_validate(row.said),
        )
        for row in session.scalars(select(FetcherRow))
    }
