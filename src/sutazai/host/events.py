"""The host's account of what happened, in order, on disk, of bounded size."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from itertools import takewhile
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sutazai.fleet.status import Event
from sutazai.host.bell import Bell

REMEMBERED = 5000
FILE_MAX = 2 * 1024 * 1024


class Events:
    """Appends events and hands them to followers. Sequences go on over restarts of the host."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._events: deque[Event] = deque(_read(path), maxlen=REMEMBERED)
        self._added = Bell()

    @property
    def last_sequence(self) -> int:
        return self._events[-1].sequence if self._events else 0

    def add(self, kind: str, message: str, *, unit: str | None = None, **data: Any) -> Event:
        """Records what happened now."""
        event = Event(
            sequence=self.last_sequence + 1,
            at=time.time(),
            source="host",
            kind=kind,
            unit=unit,
            message=message,
            data=data,
        )
        self._events.append(event)
        self._write(event)
        self._added.fire()
        return event

    def after(self, sequence: int) -> list[Event]:
        """The remembered events that followed ``sequence``."""
        newest_first = takewhile(lambda event: event.sequence > sequence, reversed(self._events))
        return [*newest_first][::-1]

    async def wait_after(self, sequence: int) -> list[Event]:
        """The same, and waits until there is at least one."""
        while self.last_sequence <= sequence:
            await self._added.wait()
        return self.after(sequence)

    def _write(self, event: Event) -> None:
        # A full disk must not stop the supervisor; the events are still in memory.
        with contextlib.suppress(OSError):
            if self._path.exists() and self._path.stat().st_size > FILE_MAX:
                self._path.replace(_older(self._path))
            with self._path.open("ab") as file:
                file.write(event.model_dump_json().encode() + b"\n")


def _older(path: Path) -> Path:
    return path.with_name(f"{path.stem}.1{path.suffix}")


def _read(path: Path) -> list[Event]:
    events: list[Event] = []
    for file in (_older(path), path):
        with contextlib.suppress(FileNotFoundError):
            for line in file.read_bytes().splitlines():
                with contextlib.suppress(ValidationError):  # cut by a kill in mid-write
                    events.append(Event.model_validate_json(line))
    return events
