"""What the facts of a fleet's two folders mean: room and file system, length and rights. Pure."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from sutazai.cli.doctor.finding import Finding, Level
from sutazai.fleet.places import Places
from sutazai.fleet.units import format_size
from sutazai.host.machine import Disk
from sutazai.wire.limits import SOCKET_PATH_MAX

GIB = 1024**3

LITTLE_ROOM = GIB
"""Bytes below which the first run of a large backlog can fill the disk."""

SOME_ROOM = 5 * GIB

ROOT_USER = 0

_REMOTE = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "ceph", "glusterfs", "9p"}
)
_PASSING = frozenset({"tmpfs", "ramfs"})
_MOVE = "sutazai up --state DIR, with a folder on a disk of this machine"


@dataclass(frozen=True)
class Folder:
    """A folder as it is; ``owner`` and ``mode`` are None where it is not there yet."""

    path: Path
    owner: int | None = None
    mode: int | None = None


def state_finding(state: Path, disk: Disk) -> Finding:
    """Whether the state folder is safe where it is, and has room."""
    found = f"{state}: {format_size(disk.free)} free of {format_size(disk.total)}"
    found += f" ({disk.filesystem})" if disk.filesystem else ""
    if disk.windows:
        meaning = "a Windows drive keeps neither rights nor locks: keys are open, state is lost"
        fix = "sutazai up --state DIR, with a folder inside of Linux, as ~/.local/state"
        return Finding("state folder", Level.PROBLEM, found, meaning, fix)
    if disk.filesystem in _REMOTE:
        meaning = "databases lose data on file systems of other machines"
        return Finding("state folder", Level.PROBLEM, found, meaning, _MOVE)
    return _room_finding(found, disk)


def _room_finding(found: str, disk: Disk) -> Finding:
    if disk.free < LITTLE_ROOM:
        meaning = "logs, artifacts and history can fill it, and then nothing can be written"
        fix = f"make room: du -xh {disk.path} | sort -h | tail"
        return Finding("state folder", Level.PROBLEM, found, meaning, fix)
    if disk.filesystem in _PASSING:
        meaning = "everything in it is gone with the next start of the machine"
        return Finding("state folder", Level.WARNING, found, meaning, _MOVE)
    if disk.free < SOME_ROOM:
        meaning = "enough to start, little for models and long runs"
        fix = f"make room: du -xh {disk.path} | sort -h | tail"
        return Finding("state folder", Level.WARNING, found, meaning, fix)
    return Finding("state folder", Level.OK, found, "holds tasks, artifacts, logs and history")


def runtime_finding(places: Places, folder: Folder, around: Folder, user: int) -> Finding:
    """Whether the runtime folder can hold our sockets, and nobody else's.

    Args:
        folder: the runtime folder as it is.
        around: the one that it is in, or will be.
        user: our own id.
    """
    longest = max(len(os.fsencode(path)) for path in sockets(places))
    found = f"{places.runtime}: socket paths of {longest} bytes, {SOCKET_PATH_MAX} at most"
    if longest > SOCKET_PATH_MAX:
        meaning = "no socket can be made below it, and the fleet does not start"
        fix = "XDG_RUNTIME_DIR=/run/user/$(id -u) sutazai up"
        return Finding("runtime folder", Level.PROBLEM, found, meaning, fix)
    wrong = _owner_finding(folder, around, user) or _mode_finding(folder)
    if wrong is not None:
        return wrong
    return Finding("runtime folder", Level.OK, found, "holds sockets, for this user only")


def _owner_finding(folder: Folder, around: Folder, user: int) -> Finding | None:
    if folder.owner not in (None, user):
        strange = folder
    elif around.owner not in (None, ROOT_USER, user) and not _sticky(around):
        strange = around  # whoever owns it can put another folder in the place of ours
    else:
        return None
    found = f"{strange.path} belongs to user {strange.owner}"
    meaning = "somebody else could answer in the fleet's name, so it does not start"
    fix = f"sudo rm -r {strange.path}, or choose another: XDG_RUNTIME_DIR=DIR sutazai up"
    return Finding("runtime folder", Level.PROBLEM, found, meaning, fix)


def _sticky(folder: Folder) -> bool:
    """Whether only owners may move what is in it, as in /tmp."""
    return bool((folder.mode or 0) & stat.S_ISVTX)


def _mode_finding(folder: Folder) -> Finding | None:
    if folder.mode is None or not folder.mode & 0o077:
        return None
    found = f"{folder.path} is open to other users (mode {folder.mode:04o})"
    meaning = "others could reach the fleet's sockets, so it does not start"
    return Finding("runtime folder", Level.PROBLEM, found, meaning, f"chmod 700 {folder.path}")


def sockets(places: Places) -> tuple[Path, ...]:
    """Every kind of socket that a fleet makes."""
    return (
        places.keeper_socket,
        places.host_socket,
        places.gateway_socket,
        places.agents_socket,
        places.llm_socket,
        places.sockets / "abcde",  # instances have a tag of five characters each
    )
