"""How processes ended that are not the host's children: read from the keeper's journal."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from sutazai.host.instances.process import Process, ProcessId

REMEMBERED = 4096
TRIES = 8


@dataclass(frozen=True)
class Ending:
    """An exit status, or the name of a signal, or neither where nobody could tell."""

    status: int | None = None
    signal: str | None = None

    @property
    def reason(self) -> str:
        """The ending in words."""
        if self.signal is not None:
            return f"killed by {self.signal}"
        if self.status is not None:
            return f"exited with status {self.status}"
        return "ended, and nobody could tell how"


class ExitJournal:
    """Reads what the keeper appends; remembers a bounded number of endings."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._inode = 0
        self._endings: OrderedDict[tuple[int, int], Ending] = OrderedDict()

    async def ending_of(self, process: Process) -> Ending:
        """How a process that has ended did so; waits a moment for the keeper to write it."""
        for attempt in range(TRIES):
            if (ending := self.find(process.identity)) is not None:
                return ending
            await asyncio.sleep(0.005 * 2**attempt)
        return Ending()

    def find(self, identity: ProcessId) -> Ending | None:
        """The journal's word on a process, or None."""
        self._read()
        return self._endings.get((identity.pid, identity.start_time))

    def _read(self) -> None:
        try:
            inode = self._path.stat().st_ino
        except FileNotFoundError:
            return
        if inode != self._inode:
            self._read_from(self._path.with_name("exits.1.jsonl"), self._inode)
            self._inode, self._offset = inode, 0
        self._read_from(self._path, inode)

    def _read_from(self, path: Path, inode: int) -> None:
        """Reads on where the last reading of that file ended; any file where there was none."""
        try:
            with path.open("rb") as journal:
                if inode and os.fstat(journal.fileno()).st_ino != inode:
                    return
                journal.seek(self._offset)
                complete, newline, _ = journal.read().rpartition(b"\n")
        except FileNotFoundError:
            return
        self._offset += len(complete) + len(newline)
        for line in complete.splitlines():
            with contextlib.suppress(ValueError, KeyError):  # cut by the keeper's own end
                self._remember(json.loads(line))

    def _remember(self, entry: dict[str, object]) -> None:
        status, name = entry.get("status"), entry.get("signal")
        ending = Ending(
            status if isinstance(status, int) else None, name if isinstance(name, str) else None
        )
        self._endings[(int(str(entry["pid"])), int(str(entry["start_time"])))] = ending
        while len(self._endings) > REMEMBERED:
            self._endings.popitem(last=False)
