"""The accepted versions of the fleet, numbered."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from sutazai.fleet.errors import NotFound
from sutazai.fleet.revisions import Revision, RevisionInfo
from sutazai.fleet.spec import Fleet
from sutazai.store.database import Database
from sutazai.store.models import AgentRow, RevisionRow

KEPT = 50
"""How many revisions are kept; the oldest go first."""


class Revisions:
    """The fleet's history."""

    def __init__(self, database: Database, *, kept: int = KEPT) -> None:
        self._database = database
        self._kept = kept

    async def record(
        self,
        fleet: Fleet,
        *,
        author: str,
        at: float,
        reason: str,
        codes: Mapping[str, str] | None = None,
        file: str | None = None,
    ) -> Revision:
        """The last revision if it is the same fleet with the same code in the same folder, else a
        new one: relative paths count from that folder."""
        spec, digests = canonical(fleet), dict(codes or {})
        known = (spec, digests, _folder(file))

        def work(session: Session) -> Revision:
            last = _last(session)
            if last is not None and (last.spec, last.codes or {}, _folder(last.file)) == known:
                return _shape(last)
            number = (last.number if last else 0) + 1
            row = RevisionRow(
                number=number,
                fleet=fleet.name,
                spec=spec,
                author=author,
                at=at,
                reason=reason,
                codes=digests,
                file=file,
            )
            session.add(row)
            session.flush()  # the agents refer to it
            session.add_all(_agents(number, json.loads(spec)))
            session.execute(delete(RevisionRow).where(RevisionRow.number <= number - self._kept))
            return _shape(row)

        return await self._database.write(work)

    async def newest(self) -> Revision | None:
        """The last accepted version, or None before the first."""

        def work(session: Session) -> Revision | None:
            row = _last(session)
            return _shape(row) if row else None

        return await self._database.read(work)

    async def get(self, number: int) -> Revision:
        """One of them. Raises NotFound."""

        def work(session: Session) -> Revision:
            row = session.get(RevisionRow, number)
            if row is None:
                raise NotFound(f"there is no revision {number}", hint="sutazai history")
            return _shape(row)

        return await self._database.read(work)

    async def history(self, limit: int) -> list[RevisionInfo]:
        """The last of them, newest first."""
        query = select(RevisionRow).order_by(RevisionRow.number.desc()).limit(limit)
        return await self._database.read(
            lambda session: [RevisionInfo(**_info(row)) for row in session.scalars(query)]
        )

    async def codes(self) -> frozenset[str]:
        """The digests of all code that a revision was accepted with."""
        query = select(RevisionRow.codes)

        def work(session: Session) -> frozenset[str]:
            return frozenset(
                digest for codes in session.scalars(query) for digest in (codes or {}).values()
            )

        return await self._database.read(work)

    async def agent(self, name: str, number: int) -> dict[str, Any] | None:
        """What revision ``number`` declares of an agent, or None where it has no such agent."""

        def work(session: Session) -> dict[str, Any] | None:
            row = session.get(AgentRow, (number, name))
            return row.spec if row else None

        return await self._database.read(work)


def canonical(fleet: Fleet) -> str:
    """The one JSON text of a fleet: equal fleets have equal texts."""
    value = fleet.model_dump(mode="json", by_alias=True)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _folder(file: str | None) -> str | None:
    return os.path.dirname(file) if file else None


def _last(session: Session) -> RevisionRow | None:
    newest = select(func.max(RevisionRow.number)).scalar_subquery()
    return session.scalar(select(RevisionRow).where(RevisionRow.number == newest))


def _agents(number: int, spec: dict[str, Any]) -> list[AgentRow]:
    agents: dict[str, dict[str, Any]] = spec["agents"]
    return [AgentRow(revision=number, name=name, spec=agent) for name, agent in agents.items()]


def _shape(row: RevisionRow) -> Revision:
    return Revision(**_info(row), spec=json.loads(row.spec), codes=row.codes or {})


def _info(row: RevisionRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in RevisionInfo.model_fields}
