"""The log file: what is accepted is on disk before anybody is told so.

One thread writes. What comes while it writes goes into its next write, so many publishes share one
fsync and none waits longer than it must. When most of the file is of no use any more it is written
anew from what is, beside the old one, and renamed over it. After a crash at any byte the whole
frames count, and the rest is cut off.
"""

from __future__ import annotations

import asyncio
import logging
import mmap
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from sutazai.bus.frames import MAGIC, Record, frame, scan
from sutazai.fleet.errors import Unavailable
from sutazai.fleet.files import flush_folder

log = logging.getLogger("sutazai.bus")

COMPACT_AT = 64 * 1024**2
"""Bytes of the file from which on it is written anew; twice what is of use, where that is more."""

NOTES_WITHIN = 0.05
"""Seconds until what nobody waits for is written. A message whose end is not on disk when the
gateway dies is delivered again, and its agent knows it."""

SNAPSHOT_FRAME = 1000
"""Records in one frame of a file that is written anew."""

Snapshot = Callable[[], list[Record]]
"""Everything of use at this moment, in records."""

Then = Callable[[Unavailable | None], None]


class Journal:
    """The log at ``path``. Made where an event loop runs; `open` it, `close` it.

    Args:
        snapshot: called in the event loop when the file is to be written anew.
        compact_at: bytes.
    """

    def __init__(self, path: Path, snapshot: Snapshot, *, compact_at: int = COMPACT_AT) -> None:
        self._path = path
        self._snapshot = snapshot
        self._compact_at = compact_at
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="messages-log")
        self._file = _File(path)
        self._records: list[Record] = []
        self._waiting: list[Then] = []
        self._next_compaction = compact_at
        self._broken = False
        self._writing: asyncio.Task[None] | None = None
        self._later: asyncio.TimerHandle | None = None

    async def open(self) -> list[Record]:
        """Everything that the file holds. Raises Unavailable where it cannot be used."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, self._file.open)
        except OSError as cause:
            raise _unusable(self._path, cause) from cause

    def note(self, records: Sequence[Record]) -> None:
        """Writes it with what comes next, soon at the latest: nobody needs to know it is there."""
        self._records += records
        if self._writing is None and self._later is None:
            self._later = asyncio.get_running_loop().call_later(NOTES_WITHIN, self._begin)

    def add(self, records: Sequence[Record], then: Then) -> None:
        """Calls ``then`` when they are on disk, flushed: with nothing, or with Unavailable where
        they cannot be. It is called before anything else is written, a snapshot of it included."""
        self._records += records
        self._waiting.append(then)
        self._begin()

    async def flush(self) -> None:
        """Writes what is not written yet."""
        while self._records or self._writing is not None:
            self._begin()
            if self._writing is not None:
                await asyncio.wait([self._writing])

    async def close(self) -> None:
        """Writes what is not written yet, and no more."""
        await self.flush()
        await asyncio.get_running_loop().run_in_executor(self._thread, self._file.close)
        self._thread.shutdown()

    def _begin(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all(), name="messages-log")

    async def _write_all(self) -> None:
        try:
            await self._write_some()
            while self._waiting:
                await self._write_some()
        finally:
            self._writing = None
            if self._records:
                self.note(())

    async def _write_some(self) -> None:
        records, self._records = self._records, []
        waiting, self._waiting = self._waiting, []
        loop = asyncio.get_running_loop()
        error = None
        try:
            await self._compact_where_needed()
            await loop.run_in_executor(self._thread, self._file.append, records, bool(waiting))
        except OSError as cause:
            log.warning("%s cannot be written: %s", self._path, cause)
            self._broken = True
            error = _unusable(self._path, cause)
        for then in waiting:
            then(error)

    async def _compact_where_needed(self) -> None:
        """After a failed write nobody knows what is on disk, so the file is written anew."""
        if not (self._broken or self._file.size >= self._next_compaction):
            return
        loop = asyncio.get_running_loop()
        size = await loop.run_in_executor(self._thread, self._file.replace, self._snapshot())
        self._broken = False
        self._next_compaction = max(self._compact_at, 2 * size)


class _File:
    """The file itself, used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self.size = 0

    def open(self) -> list[Record]:
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        records: list[Record] = []
        self.size = 0
        length = os.fstat(self._descriptor).st_size
        if length:
            with mmap.mmap(self._descriptor, 0, access=mmap.ACCESS_READ) as content:
                for found in _frames(content):
                    records += found[0]
                    self.size = found[1]
        self._cut(length)
        return records

    def append(self, records: Sequence[Record], flush: bool) -> None:
        data = frame(records)
        try:
            _write(self._descriptor, data, self.size)
            if flush:
                os.fdatasync(self._descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(data)

    def replace(self, records: Sequence[Record]) -> int:
        """The file with these records alone; its size."""
        draft = self._path.with_name(f".{self._path.name}.new")
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            size = _write(descriptor, MAGIC, 0)
            for start in range(0, len(records), SNAPSHOT_FRAME):
                size += _write(descriptor, frame(records[start : start + SNAPSHOT_FRAME]), size)
            os.fsync(descriptor)
            os.replace(draft, self._path)
        except BaseException:  # the draft goes, whatever stopped it
            os.close(descriptor)
            draft.unlink(missing_ok=True)
            raise
        os.close(self._descriptor)
        self._descriptor, self.size = descriptor, size
        flush_folder(self._path.parent)
        return size

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _cut(self, length: int) -> None:
        """Cuts off what is no whole frame; keeps it aside where that is more than one write."""
        if length > self.size:
            log.warning("%s: %d bytes at its end are of no use", self._path, length - self.size)
            aside = self._path.with_name(f"{self._path.name}.damaged")
            aside.write_bytes(os.pread(self._descriptor, length - self.size, self.size))
            os.ftruncate(self._descriptor, self.size)
        if not self.size:
            self.size = _write(self._descriptor, MAGIC, 0)
        os.fsync(self._descriptor)
        flush_folder(self._path.parent)


def _frames(content: mmap.mmap) -> Iterator[tuple[list[Record], int]]:
    with memoryview(content) as view:
        if view[: len(MAGIC)] == MAGIC:
            yield [], len(MAGIC)
        for found in scan(view):
            yield found.records, found.end


def _write(descriptor: int, data: bytes, at: int) -> int:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(descriptor, rest, at)
        rest, at = rest[written:], at + written
    return len(data)


def _unusable(path: Path, cause: OSError) -> Unavailable:
    return Unavailable(
        f"messages cannot be kept in {path}: {cause.strerror}",
        hint="make room on its disk; what was accepted before is not lost",
        retry_after=5,
    )
