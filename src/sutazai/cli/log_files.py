"""The log files of a fleet: `NAME.log` for each unit, with one older piece beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

SUFFIX = ".log"
_OLDER = (".1.log", ".log.1")
"""What the host and the keeper call the older piece."""


def units_in(folder: Path) -> list[str]:
    """The units that have a log."""
    names = (path.name for path in folder.glob(f"*{SUFFIX}"))
    return sorted(name.removesuffix(SUFFIX) for name in names if not name.endswith(_OLDER[0]))


def whole(folder: Path, unit: str, *, since: float) -> Iterator[str]:
    """All lines of a unit's log, but for pieces that nobody wrote to since then."""
    for suffix in (*_OLDER, SUFFIX):
        path = folder / f"{unit}{suffix}"
        try:
            if path.stat().st_mtime < since:
                continue
            with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
                yield from (line.rstrip("\n") for line in file)
        except FileNotFoundError:
            continue


class Tail:
    """What comes after now to a unit's log, over every turn of its file."""

    def __init__(self, folder: Path, unit: str) -> None:
        self.unit = unit
        self._path = folder / f"{unit}{SUFFIX}"
        self._rest = b""
        try:
            seen = self._path.stat()
            self._inode, self._offset = seen.st_ino, seen.st_size
        except FileNotFoundError:
            self._inode, self._offset = 0, 0

    def more(self) -> list[str]:
        """The lines that came since the last time."""
        try:
            with self._path.open("rb") as file:
                seen = os.fstat(file.fileno())
                if seen.st_ino != self._inode or seen.st_size < self._offset:
                    self._inode, self._offset, self._rest = seen.st_ino, 0, b""
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        self._offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [line.decode("utf-8", "replace") for line in lines]
