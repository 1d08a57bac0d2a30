"""Which processes do tasks, and when each last said that it lives."""

from __future__ import annotations

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from sutazai.store.database import Database
from sutazai.store.models import ExecutorRow
from sutazai.store.sharing import clock


class Executors:
    """The executor table. An executor that was removed was taken for dead and stays so."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def enter(self, executor: str, name: str) -> None:
        """A life begins."""

        def work(session: Session) -> None:
            now = clock(session)
            session.add(ExecutorRow(id=executor, name=name, since=now, beat=now))

        await self._database.write(work)

    async def beat(self, executor: str) -> bool:
        """Says that it lives; False where it was taken for dead."""

        def work(session: Session) -> bool:
            query = update(ExecutorRow).where(ExecutorRow.id == executor)
            beaten = query.values(beat=clock(session)).returning(ExecutorRow.id)
            return session.scalar(beaten) is not None

        return await self._database.write(work)

    async def silences(self) -> dict[str, float]:
        """For how many seconds each executor has said nothing."""

        def work(session: Session) -> dict[str, float]:
            now = clock(session)
            rows = session.execute(select(ExecutorRow.id, ExecutorRow.beat))
            return {executor: now - beat for executor, beat in rows}

        return await self._database.read(work)

    async def earlier(self, executor: str, name: str) -> list[str]:
        """The other lives of ``name``, of which one can be alive only."""
        query = select(ExecutorRow.id).where(ExecutorRow.id != executor, ExecutorRow.name == name)
        return await self._database.read(lambda session: list(session.scalars(query)))

    async def remove(self, executor: str) -> None:
        """A life is over, and all that it left behind was taken over."""
        query = delete(ExecutorRow).where(ExecutorRow.id == executor)
        await self._database.write(lambda session: session.execute(query))

    async def leave(self, executor: str, name: str) -> None:
        """A life ends: whoever looks next takes over what it leaves behind, also where that was
        done before, for it may have begun something since."""
        gone = ExecutorRow(id=executor, name=name, since=0.0, beat=0.0)
        await self._database.write(lambda session: session.merge(gone))
