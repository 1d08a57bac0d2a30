"""The record of calls and the dead letters, on disk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sutazai.fleet.serving import Record
from sutazai.gateway.records.letters import Letters
from sutazai.gateway.records.reading import Reader
from sutazai.gateway.records.search import Found, Query, find
from sutazai.gateway.records.writer import Writer


class Store:
    """Keeps what it is told of calls in the file at ``path``. `start` it, `close` it.

    Whatever happens to the disk, calls go on: what cannot be written is counted in `dropped`.

    Args:
        record: what is kept, and how long.
        settle: has it told of all that ended.
        wall: seconds since 1970.
    """

    def __init__(
        self,
        path: Path,
        record: Record | None = None,
        *,
        settle: Callable[[], None] = lambda: None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._record = record or Record()
        self._settle = settle
        self._wall = wall
        self._writer = Writer(path, self._record, wall=wall)
        self._reader = Reader(path)
        self.letters = Letters(self._writer, self._reader)
        self.observe = self._writer.put_calls
        """Keeps the records of calls. Takes microseconds and never raises."""

    @property
    def contents(self) -> bool:
        """Whether prompts and answers are kept."""
        return self._record.contents

    @property
    def dropped(self) -> int:
        """Records and dead letters that were never written."""
        return self._writer.dropped

    def start(self) -> None:
        """Starts the thread that writes."""
        self._writer.start()

    def apply(self, record: Record) -> None:
        """Keep this much from now on."""
        self._settle()
        self._record = record
        self._writer.apply(record)

    async def search(self, query: Query) -> tuple[Found, ...]:
        """The calls that were asked for, the newest first; without what cannot be written.

        Raises DeadlineExceeded and Unavailable.
        """
        kept_since = self._wall() - self._record.age
        asked = replace(query, since=max(query.since or kept_since, kept_since))
        self._settle()
        await self._writer.settle()
        return await self._reader.read(lambda connection: find(connection, asked), ())

    async def close(self) -> None:
        """Writes what waits."""
        self._settle()
        self._writer.end()
        await asyncio.to_thread(self._writer.join)
