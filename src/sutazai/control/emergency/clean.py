"""What a fleet's folders hold that can be done without: older logs, and downloads cut short."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sutazai.fleet.emergency import CleanUp, Removed
from sutazai.fleet.places import Places

OLDER = ("*.1.log", "*.log.1")
"""The piece before the present one, of the logs of units and of the keeper."""


def clean_up(places: Places, models: Path, *, dry_run: bool) -> CleanUp:
    """Removes it and says what it freed; in a dry run, what it would. Blocks.

    Args:
        models: the folder with downloaded models.
    """
    found = [*_older_logs(places.logs), *_cut_short(models)]
    gone = found if dry_run else [one for one in found if _removed(Path(one.path))]
    return CleanUp(dry_run=dry_run, files=tuple(gone), freed=sum(one.size for one in gone))


def _older_logs(folder: Path) -> Iterator[Removed]:
    for path in sorted({path for pattern in OLDER for path in folder.glob(pattern)}):
        yield from _file(path, "an older log")


def _cut_short(models: Path) -> Iterator[Removed]:
    """Downloads that nobody goes on with now: whoever does holds a lock on them."""
    for path in sorted(models.rglob("*.part")):
        with suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield from _file(path, "a download that was cut short")


def _file(path: Path, what: str) -> Iterator[Removed]:
    with suppress(OSError):
        yield Removed(path=str(path), size=path.stat().st_size, what=what)


def _removed(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:  # gone by itself, or not ours to remove: it is not counted
        return False
    return True
