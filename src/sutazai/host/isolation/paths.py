"""Who may read a path, by the modes of it and of all folders above it."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import sutazai

_ENTER, _READ = 0o001, 0o004


def closed_above(path: str) -> tuple[str, ...]:
    """The folders above ``path`` that other users cannot pass through, the topmost first."""
    return tuple(str(folder) for folder in reversed(Path(path).parents) if not _is_passable(folder))


def _is_passable(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return bool(folder.stat().st_mode & _ENTER)
    return True


def is_open(path: str, uid: int) -> bool:
    """Whether ``uid`` may read ``path`` itself, once it got there; also what is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return True
    needed = _READ | _ENTER if stat.S_ISDIR(found.st_mode) else _READ
    return found.st_uid == uid or found.st_mode & needed == needed


def is_in(path: str, folders: Iterable[str]) -> bool:
    """Whether ``path`` is one of ``folders`` or below it."""
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def environment() -> frozenset[str]:
    """The folders that hold this Python, its packages and ourselves, also behind links."""
    own = Path(sutazai.__file__).parents[1]
    return frozenset(both(str(own), sys.prefix, sys.base_prefix, *sys.path))


def modules() -> list[str]:
    """Files that every Python instance reads: the interpreter, and what is imported here."""
    files = (getattr(module, "__file__", None) for module in [*sys.modules.values()])
    return [sys.executable, *(file for file in files if file)]


def both(*paths: str) -> Iterator[str]:
    """Absolute ``paths`` that are there, and where they really are."""
    for path in paths:
        if os.path.isabs(path) and os.path.exists(path):
            yield os.path.normpath(path)
            yield os.path.realpath(path)
