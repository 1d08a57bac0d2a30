"""``python -m sutazai.host.isolation.making``: makes a view, a file system as instances see it.

Everything is where it was, but folders that are hidden are empty, and folders that are closed to
other users are empty but for what is shown of them. A view is a mount namespace; whoever is not
root makes it in a user namespace. It reads one JSON object, answers one, and keeps the namespaces
alive until its input ends. Standard library alone.
"""

from __future__ import annotations

import ctypes
import json
import os
import stat
import sys
from collections.abc import Iterable, Sequence

_NEW_MOUNTS, _NEW_USER, _NEW_NETWORK = 0x00020000, 0x10000000, 0x40000000
_READ_ONLY, _REMOUNT, _BIND, _RECURSIVE, _SLAVE = 1, 32, 4096, 16384, 1 << 19

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Answers ``{"network": bool, "unreadable": [PATH, …]}`` or ``{"error": TEXT}``."""
    wanted = json.loads(sys.stdin.readline())
    os.umask(0o022)
    try:
        _leave()
        _make(wanted["closed"], wanted["hidden"], wanted["shown"])
        network = _unshare(_NEW_NETWORK)
        answer = {"network": network, "unreadable": _unreadable(wanted["uid"], wanted["probed"])}
    except OSError as error:
        answer = {"error": f"{error.strerror}{f' ({error.filename})' if error.filename else ''}"}
    print(json.dumps(answer), flush=True)
    sys.stdin.read()


def _leave() -> None:
    """Leaves the mount namespace of the machine; its later mounts still come to us."""
    uid, gid = os.geteuid(), os.getegid()
    if not _unshare(_NEW_MOUNTS):
        if uid == 0 or not _unshare(_NEW_USER | _NEW_MOUNTS):
            raise _failure("no mount namespace can be made")
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")
    _mount(None, "/", _RECURSIVE | _SLAVE)


def _make(closed: Sequence[str], hidden: Sequence[str], shown: Sequence[str]) -> None:
    """Covers folders, and brings back what is shown of them. Hidden ones may lie in shown ones."""
    there = filter(os.path.exists, shown)
    opened = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in there}
    for folder in (*sorted(closed, key=len), *hidden):
        if os.path.isdir(folder):  # else what is above it is covered, and it is not shown
            _cover(folder, {path: at for path, at in opened.items() if _is_below(path, folder)})


def _cover(folder: str, shown: dict[str, int]) -> None:
    _mount("tmpfs", folder, 0, "tmpfs", "mode=755,size=1m")
    done: list[str] = []
    for path in sorted(shown, key=len):
        if not any(_is_below(path, above) for above in done):
            _bring_back(path, shown[path])
            done.append(path)
    _mount(None, folder, _REMOUNT | _BIND | _READ_ONLY)


def _bring_back(path: str, opened: int) -> None:
    if stat.S_ISDIR(os.fstat(opened).st_mode):
        os.makedirs(path, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
    _mount(f"/proc/self/fd/{opened}", path, _BIND | _RECURSIVE)


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")


def _unreadable(uid: int | None, paths: Iterable[str]) -> list[str]:
    """Which of ``paths`` that user cannot read in this view."""
    if uid is None:
        return []
    ours, theirs = os.pipe()
    if not os.fork():
        try:
            os.setgroups(())
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            found = [path for path in paths if not os.access(path, os.R_OK)]
            with open(theirs, "w") as answer:
                json.dump(found, answer)
        finally:
            os._exit(0)
    os.close(theirs)
    with open(ours) as answer:
        said = answer.read()
    os.wait()
    if not said:
        raise OSError(0, f"no process can become user {uid} here")
    unreadable: list[str] = json.loads(said)
    return unreadable


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _unshare(flags: int) -> bool:
    return bool(_libc.unshare(flags) == 0)


def _mount(
    source: str | None, target: str, flags: int, kind: str | None = None, data: str | None = None
) -> None:
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind)]
    options = None if data is None else data.encode()
    if _libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), options) < 0:
        raise _failure(target)


def _failure(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), what)


if __name__ == "__main__":
    main()
