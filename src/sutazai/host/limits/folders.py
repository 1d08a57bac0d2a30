"""Groups as folders: the kernel makes a group's files when its folder is made."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Protocol

from sutazai.host.machine.files import text

PROCESSES = "cgroup.procs"


class Folders(Protocol):
    """Makes and removes groups."""

    def make(self, folder: Path) -> None:
        """Makes a group; nothing where it is there already."""

    def remove(self, folder: Path) -> None:
        """Removes an empty group. Raises OSError while a process or a group is in it."""


class KernelFolders:
    """The kernel's own."""

    def make(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)

    def remove(self, folder: Path) -> None:
        folder.rmdir()


def write(path: Path, value: object) -> None:
    """Writes to a file of a group. Raises OSError; never makes one that is not there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
    try:
        os.write(descriptor, str(value).encode())
    finally:
        os.close(descriptor)


def write_where_there(path: Path, value: object) -> None:
    """The same, for what not every kernel has."""
    with contextlib.suppress(FileNotFoundError):
        write(path, value)


def counters(path: Path) -> dict[str, int]:
    """Lines of the form ``name number``."""
    pairs = (line.split() for line in text(path).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}


def members(group: Path) -> list[int]:
    """The processes in a group."""
    return [int(word) for word in text(group / PROCESSES).split() if word.isdecimal()]


def kill_members(group: Path) -> None:
    """SIGKILL to every process in a group and in those that it made below."""
    for folder in inside_out(group):
        for pid in members(folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def removed(group: Path, folders: Folders) -> bool:
    """Removes a group with those below it; whether it is gone."""
    try:
        for folder in inside_out(group):
            folders.remove(folder)
    except OSError:
        return not group.exists()
    return True


def inside_out(group: Path) -> list[Path]:
    """A group and all below it, the innermost first."""
    return [Path(folder) for folder, _, _ in os.walk(group, topdown=False)]


def names(parent: Path) -> list[str]:
    """The groups directly below one."""
    try:
        return sorted(entry.name for entry in os.scandir(parent) if entry.is_dir())
    except OSError:
        return []
