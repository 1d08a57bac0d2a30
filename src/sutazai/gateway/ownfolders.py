"""The folders of a gateway that runs alone: made private, and held by one process at a time.

For a fleet's gateway `up` and the keeper see to that.
"""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

from sutazai.fleet.errors import AlreadyRunning, BadInput, Conflict, Refused
from sutazai.fleet.places import Places

LOCK = "gateway.lock"
"""In the state folder; marks it as that of a gateway alone, and is locked while one runs."""

_ANOTHER = "choose another folder: --state DIR"


class Held:
    """Folders that are made, checked and locked; use as ``with``.

    Raises Conflict (a fleet's folder), BadInput (other things in it), Refused (open to others, or
    somebody else's), AlreadyRunning.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._lock = -1

    def __enter__(self) -> Self:
        state = self._places.state
        if self._places.config.exists():
            raise Conflict(f"{state} is the state folder of a fleet", hint=_ANOTHER)
        _make(state)
        if any(state.iterdir()) and not (state / LOCK).exists():
            raise BadInput(f"{state} holds other things", hint=_ANOTHER)
        _check(state, closable=True)
        _make(self._places.runtime)
        _check_parent(self._places.runtime.parent)
        _check(self._places.runtime)
        self._lock = _locked(state / LOCK)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._lock)  # the file stays: to unlink a lock file is a race


def _make(folder: Path) -> None:
    before = os.umask(0o077)  # a mode would hold for the last folder only
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise BadInput(f"{folder} is no folder", hint=_ANOTHER) from error
    finally:
        os.umask(before)


def _check(folder: Path, *, closable: bool = False) -> None:
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise Refused(f"the folder {folder} belongs to another user", hint=_ANOTHER)
    if stat.S_IMODE(found.st_mode) & 0o077:
        if not closable:
            raise Refused(f"the folder {folder} is open to others", hint=f"chmod 700 {folder}")
        folder.chmod(0o700)


def _check_parent(folder: Path) -> None:
    # Whoever owns the parent can put another folder in the place of ours.
    found = os.lstat(folder)
    if found.st_uid not in (0, os.geteuid()) and not found.st_mode & stat.S_ISVTX:
        raise Refused(
            f"the folder {folder} belongs to another user",
            hint="remove it, or set XDG_RUNTIME_DIR to a folder of your own",
        )


def _locked(path: Path) -> int:
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise AlreadyRunning(
            f"a gateway runs already with the folder {path.parent}", hint=_ANOTHER
        ) from error
    return lock
