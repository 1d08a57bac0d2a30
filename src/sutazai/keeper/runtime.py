"""The runtime folder: made and checked, and locked by the one keeper that lives in it."""

from __future__ import annotations

import fcntl
import os
import stat

from sutazai.keeper.errors import AlreadyRunning, BadInput, Refused

_SOCKET_PATH_MAX = 103  # bytes; sun_path holds 108 on Linux, fewer elsewhere


class Runtime:
    """The paths of the keeper's files, and the lock.

    Raises BadInput, Refused (the folder is open to others), AlreadyRunning.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.socket = os.path.join(folder, "keeper.sock")
        self.host_record = os.path.join(folder, "keeper.host")
        if len(os.fsencode(self.socket)) > _SOCKET_PATH_MAX:
            raise BadInput(
                f"the path {self.socket} is too long for a socket",
                hint="set XDG_RUNTIME_DIR to a folder with a short path",
            )
        _make(folder)
        _check(folder)
        self._lock = _lock(os.path.join(folder, "keeper.lock"))

    def release(self) -> None:
        """Lets the next keeper in. The file stays: to unlink a lock file is a race."""
        os.ftruncate(self._lock, 0)
        os.close(self._lock)


def _make(folder: str) -> None:
    before = os.umask(0o077)  # makedirs gives its mode to the last folder only
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError as error:
        raise Refused(f"the runtime folder {folder} cannot be made: {error.strerror}") from error
    finally:
        os.umask(before)


def _check(folder: str) -> None:
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise Refused(
            f"the runtime folder {folder} belongs to another user",
            hint="remove it, or set XDG_RUNTIME_DIR to a folder of your own",
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise Refused(
            f"the runtime folder {folder} is open to other users",
            hint=f"chmod 700 {folder}",
        )
    _check_parent(os.path.dirname(folder))


def _check_parent(folder: str) -> None:
    # Whoever owns the parent can put another folder in the place of ours.
    found = os.lstat(folder)
    if found.st_uid not in (0, os.geteuid()) and not found.st_mode & stat.S_ISVTX:
        raise Refused(
            f"the folder {folder} belongs to another user",
            hint="remove it, or set XDG_RUNTIME_DIR to a folder of your own",
        )


def _lock(path: str) -> int:
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owner = os.pread(lock, 20, 0).decode(errors="replace").strip()
        os.close(lock)
        raise _already_running(owner) from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _already_running(owner: str) -> AlreadyRunning:
    pid = int(owner) if owner.isdigit() else None  # it may not have written it yet
    return AlreadyRunning(
        f"a keeper runs here already (pid {pid or 'unknown'})",
        hint="stop it first: sutazai down",
        pid=pid,
    )
