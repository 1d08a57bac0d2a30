"""Numbers of the policy snapshots that control pushes: a new content gets the next number."""

from __future__ import annotations

from sqlalchemy.orm import Session

from sutazai.store.database import Database
from sutazai.store.models import PolicyRow


class Policies:
    """Gives the same content the same number, over restarts of control too."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def number(self, kind: str, digest: str, *, above: int = 0) -> int:
        """The number of a snapshot of ``kind``: that of the last if it is the same and is higher
        than ``above``, else the next one higher than both."""

        def work(session: Session) -> int:
            row = session.get(PolicyRow, kind)
            last = row.number if row else 0
            same = row is not None and row.digest == digest and last > above
            number = last if same else max(last, above) + 1
            session.merge(PolicyRow(kind=kind, number=number, digest=digest))
            return number

        return await self._database.write(work)
