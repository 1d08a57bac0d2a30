"""Accepts fleets: says what lies between one and the fleet that runs, and makes it the next
revision."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from sutazai.control.accepted import FIXED, write_accepted
from sutazai.control.feed import EventFeed
from sutazai.control.kept_code import keep_code
from sutazai.control.reconciler import Reconciler
from sutazai.control.rollouts.desk import RolloutDesk
from sutazai.control.settings import Settings, base_of
from sutazai.fleet.errors import BadFleet, Refused, Unavailable
from sutazai.fleet.revisions import (
    Application,
    Difference,
    FleetPlan,
    Restoration,
    Revision,
    RevisionInfo,
    difference_of,
)
from sutazai.fleet.spec import Fleet
from sutazai.store import Revisions

SHOWN = 100


class Reviser:
    """The fleet's revisions.

    Args:
        renew: has control start anew, with the fleet that was accepted last.
    """

    def __init__(
        self,
        settings: Settings,
        revisions: Revisions,
        reconciler: Reconciler,
        rollouts: RolloutDesk,
        feed: EventFeed,
        renew: asyncio.Event,
    ) -> None:
        self._settings = settings
        self._revisions = revisions
        self._reconciler = reconciler
        self._rollouts = rollouts
        self._feed = feed
        self._renew = renew
        self._one_at_a_time = asyncio.Lock()

    async def history(self) -> list[RevisionInfo]:
        """The last revisions, newest first."""
        return await self._revisions.history(SHOWN)

    async def get(self, number: int) -> Revision:
        """One of them. Raises NotFound."""
        return await self._revisions.get(number)

    async def difference(self, before: int, after: int) -> Difference:
        """What lies between two of them. Raises NotFound."""
        return self._difference(await self.get(before), await self.get(after))

    async def restore(self, number: int, asked: Restoration) -> FleetPlan:
        """Makes what revision ``number`` declared the next revision, as `apply` does."""
        revision = await self.get(number)
        reason = asked.reason or f"back to revision {number}"
        return await self.apply(_again(revision, asked.model_copy(update={"reason": reason})))

    async def put_back(self, number: int, reason: str) -> None:
        """A rollout has gone back: what revision ``number`` declared is in force again."""
        async with self._one_at_a_time:
            present, revision = await self._present(), await self.get(number)
            fleet = Fleet.model_validate(revision.spec)
            asked = _again(revision, Restoration(author="rollout", reason=reason))
            await self._record(_draft(present, asked, fleet), fleet)

    async def apply(self, asked: Application) -> FleetPlan:
        """Makes a fleet the next revision, and has control start anew with it.

        Raises BadFleet, Refused where the change needs a stop of the fleet, Conflict while another
        one is rolled out.
        """
        async with self._one_at_a_time:
            fleet = _fleet(asked)
            await self._rollouts.check_idle()
            present = await self._present()
            _check_fixed(self._settings.fleet, fleet)
            after = _draft(present, asked, fleet)
            difference = self._difference(present, after)
            plan = await self._rollouts.plan(fleet, difference, now=asked.now)
            if asked.dry_run or not _differs(difference):
                return plan
            return await self._accept(plan, after, fleet)

    async def _accept(self, plan: FleetPlan, after: Revision, fleet: Fleet) -> FleetPlan:
        await self._keep_code(after, fleet)
        if plan.rollout is not None:
            await self._rollouts.begin(plan, fleet, after)
        await self._record(after, fleet)
        return plan.model_copy(update={"accepted": True})

    async def _keep_code(self, after: Revision, fleet: Fleet) -> None:
        folder = self._settings.places.kept_code
        try:
            await asyncio.to_thread(keep_code, fleet, base_of(after.file), after.codes, folder)
        except OSError as error:
            raise Unavailable(
                f"the agents' code cannot be kept: {error.strerror}",
                hint="without it there is no way back to it; make room on the disk",
            ) from error

    async def _record(self, after: Revision, fleet: Fleet) -> None:
        revision = await self._revisions.record(
            fleet,
            author=after.author,
            at=after.at,
            reason=after.reason,
            codes=after.codes,
            file=after.file,
        )
        await asyncio.to_thread(write_accepted, self._settings, revision)
        number = revision.number
        await self._feed.add("revision", f"revision {number}: {revision.reason}", number=number)
        self._renew.set()

    async def _present(self) -> Revision:
        newest = await self._revisions.newest()
        assert newest is not None  # noqa: S101 (control records one before it serves)
        return newest

    def _difference(self, before: Revision, after: Revision) -> Difference:
        return difference_of(before, after, (self._versions(before), self._versions(after)))

    def _versions(self, revision: Revision) -> Mapping[str, str]:
        fleet = Fleet.model_validate(revision.spec)
        return self._reconciler.versions(fleet, revision.codes, base_of(revision.file))


def _again(revision: Revision, asked: Restoration) -> Application:
    """That what ``revision`` declared is to be the next one, as ``asked``."""
    declared = {"fleet": revision.spec, "codes": revision.codes, "file": revision.file}
    return Application(**declared, **dict(asked))


def _fleet(asked: Application) -> Fleet:
    try:
        return Fleet.model_validate(asked.fleet)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BadFleet(
            f"this is no fleet: {where}: {first['msg']}", hint="sutazai check FILE tells all of it"
        ) from error


def _check_fixed(before: Fleet, after: Fleet) -> None:
    changed = [name for name in FIXED if getattr(before, name) != getattr(after, name)]
    if changed:
        raise Refused(
            f"{', '.join(changed)} cannot change while the fleet runs",
            hint="sutazai down, then sutazai up with the new file",
        )


def _draft(present: Revision, asked: Application, fleet: Fleet) -> Revision:
    return Revision(
        number=present.number + 1,
        fleet=fleet.name,
        author=asked.author or "api",
        at=max(time.time(), present.at),
        reason=asked.reason or f"applied from {asked.file or 'the API'}",
        file=_absolute(asked.file),
        spec=fleet.model_dump(mode="json", by_alias=True),
        codes=asked.codes,
    )


def _absolute(file: str | None) -> str | None:
    return str(Path(file).absolute()) if file else None


def _differs(difference: Difference) -> bool:
    return bool(difference.units or difference.settings)
