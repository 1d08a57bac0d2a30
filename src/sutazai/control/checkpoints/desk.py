"""Makes checkpoints while the fleet runs: by the clock, before rollouts, and when asked."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

from sutazai.control.checkpoints.faults import writing
from sutazai.control.checkpoints.keeping import (
    due,
    name_of,
    newest_first,
    no_later,
    surplus,
    time_of,
)
from sutazai.control.checkpoints.making import DUMPS, Header, check_room, make
from sutazai.control.checkpoints.postgres import dump_database
from sutazai.control.checkpoints.scratch import scratch
from sutazai.control.checkpoints.services import dump_services, load_services
from sutazai.control.checkpoints.shelf import Shelf, shelf_of
from sutazai.control.checkpoints.sources import Wanted
from sutazai.control.checkpoints.telling import listed, verified
from sutazai.control.feed import EventFeed
from sutazai.control.peers import HostPeer
from sutazai.control.settings import Settings
from sutazai.fleet.checkpoints import CheckpointInfo
from sutazai.fleet.errors import BadCheckpoint, SutazaiError, Unavailable
from sutazai.fleet.ids import new_tag
from sutazai.fleet.status import State
from sutazai.store import Database, Revisions
from sutazai.store.database import sqlite_url

NAP = 60.0
"""Most seconds of one sleep: the clock may be set meanwhile, or the machine be suspended."""
WELL = (State.HEALTHY, State.EXTERNAL)

log = logging.getLogger(__name__)


class CheckpointDesk:
    """All checkpoints of a fleet; one is made at a time.

    Args:
        clock: seconds since 1970.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        feed: EventFeed,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._database = database
        self._revisions = Revisions(database)
        self._feed = feed
        self._clock = clock
        self._making = asyncio.Lock()
        self._good: dict[tuple[str, str], bool] = {}

    async def run(self) -> None:
        """Makes one whenever it is due, until cancelled."""
        every = self._settings.fleet.checkpoints.every
        last: float | None = None
        failed: float | None = None
        while every is not None:
            try:
                last, now = last or await self._newest(), self._clock()
                last, failed = no_later(last, now), no_later(failed, now)
                if (wait := due(last, failed, every) - now) > 0:
                    await asyncio.sleep(min(wait, NAP))
                    continue
                await self.make("by the clock")
                last, failed = self._clock(), None
            except SutazaiError as error:  # told as an event; it is tried again
                log.warning("no checkpoint was made: %s", error)
                failed = self._clock()

    async def load(self, host: HostPeer) -> None:
        """Has services read what a restored checkpoint holds of their data; ends once all have."""
        settings = self._settings

        async def well(name: str) -> bool:
            units = (await host.status()).units
            return any(unit.name == name and unit.state in WELL for unit in units)

        await load_services(
            settings.fleet.services, settings.places, settings.base, well, self._feed.add
        )

    async def backup(self, reason: str) -> None:
        """Makes one and verifies it. Raises what `make` raises."""
        await self.make(reason)

    async def make(self, reason: str, to: str | None = None) -> CheckpointInfo:
        """Makes one, verifies it by restoring it into a scratch folder, and lets old ones go.

        Raises DiskFull, Unavailable, BadCheckpoint; then the one before is still the last good one.
        """
        async with self._making:
            began = time.monotonic()
            try:
                made = await self._make(reason, to)
            except SutazaiError as error:
                with suppress(SutazaiError):  # the disk may be full for events, too
                    await self._feed.add("checkpoint-failed", f"no checkpoint: {error.message}")
                raise
            info = made.model_copy(update={"seconds": round(time.monotonic() - began, 3)})
            await self._feed.add(
                "checkpoint", f"checkpoint {info.name} ({reason})", name=info.name, size=info.size
            )
            return info

    async def all(self) -> list[CheckpointInfo]:
        """Those where the fleet file says that they go, newest first."""
        shelf = self._shelf(None)
        return await asyncio.to_thread(listed, shelf, self._settings.fleet.name)

    async def verify(self, name: str) -> CheckpointInfo:
        """One of them, verified now. Raises NotFound."""
        info = await asyncio.to_thread(verified, self._shelf(None), name)
        self._good[info.place, name] = not info.trouble
        return info

    async def _make(self, reason: str, to: str | None) -> CheckpointInfo:
        settings, shelf, at = self._settings, self._shelf(to), self._clock()
        newest = await self._revisions.newest()
        fleet = settings.fleet.name
        header = Header(
            name=name_of(fleet, at, new_tag()),
            fleet=fleet,
            revision=newest.number if newest else None,
            at=at,
            reason=reason,
        )
        await self._put(header, shelf)
        info = await asyncio.to_thread(verified, shelf, header.name)
        if info.trouble:
            await asyncio.to_thread(shelf.remove, header.name)
            raise BadCheckpoint(info.trouble)
        self._good[shelf.where, header.name] = True
        await self._let_old_go(shelf, header.name)
        return info

    async def _put(self, header: Header, shelf: Shelf) -> None:
        settings = self._settings
        wanted = Wanted(settings.places, settings.fleet.checkpoints.artifacts)
        await asyncio.to_thread(shelf.sweep, header.fleet)
        with writing(f"checkpoint {header.name}"):
            async with _workplace(shelf) as folder:
                await asyncio.to_thread(check_room, wanted, folder)
                await self._dump(folder / DUMPS)
                await asyncio.to_thread(make, header, wanted, shelf, folder)

    async def _dump(self, folder: Path) -> None:
        """What is no file of ours is written by programs of others."""
        await asyncio.to_thread(folder.mkdir)
        database, settings = self._database, self._settings
        if database.is_shared:
            await dump_database(database.url, folder)
        elif database.url != sqlite_url(settings.places.database):
            raise Unavailable(
                "the fleet's database is a SQLite file of its own, which no checkpoint holds",
                hint="take `database` and SUTAZAI_DATABASE away, or let it be a Postgres",
            )
        await dump_services(settings.fleet.services, settings.base, folder)

    async def _let_old_go(self, shelf: Shelf, made: str) -> None:
        keep = self._settings.fleet.checkpoints.keep
        names = newest_first(await asyncio.to_thread(shelf.names), self._settings.fleet.name)
        if len(names) <= keep:
            return
        for name in names:
            if (shelf.where, name) not in self._good:
                info = await asyncio.to_thread(verified, shelf, name)
                self._good[shelf.where, name] = not info.trouble
        good = {name: self._good[shelf.where, name] for name in names}
        for name in surplus(names, good, keep, made):
            await asyncio.to_thread(shelf.remove, name)
            del self._good[shelf.where, name]

    async def _newest(self) -> float | None:
        shelf = self._shelf(None)
        names = newest_first(await asyncio.to_thread(shelf.names), self._settings.fleet.name)
        return time_of(names[0]) if names else None

    def _shelf(self, to: str | None) -> Shelf:
        settings = self._settings
        place = to or settings.fleet.checkpoints.to
        return shelf_of(place, settings.places, settings.base)


@asynccontextmanager
async def _workplace(shelf: Shelf) -> AsyncIterator[Path]:
    """A scratch folder, which is removed beside the event loop."""
    with ExitStack() as stack:
        folder = stack.enter_context(scratch(shelf.workshop))
        try:
            yield folder
        finally:
            await asyncio.to_thread(stack.close)
