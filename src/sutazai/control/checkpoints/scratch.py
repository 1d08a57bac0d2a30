"""Folders for what is being made: they go when it is done, and are swept where that was killed."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sutazai.fleet.ids import new_tag

DRAFT = ".draft-"


@contextmanager
def scratch(parent: Path, prefix: str = DRAFT) -> Iterator[Path]:
    """A new private folder within ``parent``, which is removed in the end. Raises OSError.

    Whoever has it holds a lock on it, which dies with the process.
    """
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = parent / f"{prefix}{new_tag()}"
    folder.mkdir(mode=0o700)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def sweep(parent: Path, prefix: str = DRAFT) -> int:
    """Removes those that nobody holds; how many there were."""
    return sum(_removed(folder) for folder in sorted(parent.glob(f"{prefix}*")))


def _removed(folder: Path) -> bool:
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
            return True
        finally:
            os.close(descriptor)
    return False
