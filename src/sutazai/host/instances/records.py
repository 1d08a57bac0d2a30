"""Records of running instances on disk, one file each, from which a new host adopts them.

A record is written before its process is started and completed with the process's identity after.
Where a host died in between, the process is found by its output: nobody else writes to that FIFO.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from sutazai.fleet.places import Places
from sutazai.fleet.spec import Runtime
from sutazai.host.instances.process import ProcessId


@dataclass(frozen=True, kw_only=True)
class Record:
    """What a new host must know of one instance. ``started`` is seconds since 1970.

    ``container`` is the engine's name or id of it; one that is ``attached`` is none of ours.
    """

    instance: str
    unit: str
    version: str
    started: float
    address: str | None
    runtime: Runtime = Runtime.COMMAND
    container: str = ""
    attached: bool = False
    pid: int = 0
    start_time: int = 0
    boot: str = ""

    @property
    def identity(self) -> ProcessId | None:
        """The recorded process, None where the host died before it knew."""
        return ProcessId(self.pid, self.start_time, self.boot) if self.pid else None


_JSON = TypeAdapter(Record)


class Records:
    """The folder of records."""

    def __init__(self, places: Places) -> None:
        self._folder = places.instances

    def fifo(self, instance: str) -> Path:
        """Where that instance's output goes."""
        return self._folder / f"{instance}.out"

    def give_fifo(self, instance: str, uid: int | None) -> None:
        """Lets that instance's own user open its output again, as by /dev/stdout."""
        if uid is not None:
            os.chown(self.fifo(instance), uid, uid)

    def write(self, record: Record) -> None:
        """Writes or replaces a record, whole or not at all."""
        path = self._folder / f"{record.instance}.json"
        fresh = path.with_suffix(".new")
        fresh.write_bytes(_JSON.dump_json(record))
        fresh.replace(path)

    def remove(self, instance: str) -> None:
        """Forgets an instance that has ended."""
        (self._folder / f"{instance}.json").unlink(missing_ok=True)

    def has(self, instance: str) -> bool:
        """Whether there is a record of that instance."""
        return (self._folder / f"{instance}.json").exists()

    def all(self) -> Iterator[Record]:
        """Every record that can be read; the others are removed."""
        for path in sorted(self._folder.glob("*.json")):
            try:
                yield _JSON.validate_json(path.read_bytes())
            except ValidationError:
                path.unlink(missing_ok=True)

    def find_process(self, record: Record) -> ProcessId | None:
        """The process of a record: the recorded one, or whoever writes to its FIFO."""
        if record.identity is not None:
            return record.identity
        return _leader_writing_to(self.fifo(record.instance))


def _leader_writing_to(fifo: Path) -> ProcessId | None:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            pid = int(entry.name)
            if os.readlink(entry / "fd" / "1") == str(fifo) and os.getsid(pid) == os.getpgid(pid):
                return ProcessId.of(pid)
    return None
