"""Kernels to hold limits with: one that a tree of files stands for, and the real one.

The fake takes the ids of real processes, so that what is killed in it really dies.
"""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path
from shutil import rmtree

import pytest

from sutazai.host.limits.v1 import CONTROLLERS
from sutazai.host.machine.cgroups import may_write, read_groups
from sutazai.host.machine.reading import ROOT

UNLIMITED = "max\n"
FILES = {
    "cgroup.procs": "",
    "cgroup.controllers": "cpu memory pids\n",
    "cgroup.subtree_control": "",
    "memory.current": "4096\n",
    "memory.peak": "8192\n",
    "memory.high": UNLIMITED,
    "memory.max": UNLIMITED,
    "memory.swap.max": UNLIMITED,
    "memory.events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n",
    "cpu.stat": "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\n",
    "cpu.weight": "100\n",
    "cpu.max": "max 100000\n",
    "cpu.max.burst": "0\n",
    "pids.max": UNLIMITED,
    "memory.limit_in_bytes": "9223372036854771712\n",
    "cpu.shares": "1024\n",
}
"""What a group has as soon as its folder is made, of both versions; of a kernel before 5.14, which
kills no groups."""


class FakeKernel:
    """Makes a group's files with its folder, and lets no group go in which somebody lives."""

    def make(self, folder: Path) -> None:
        if not folder.exists():
            folder.mkdir()
            for name, content in FILES.items():
                (folder / name).write_text(content)

    def remove(self, folder: Path) -> None:
        inside = [entry for entry in folder.iterdir() if entry.is_dir()]
        if inside or any(map(lives, (folder / "cgroup.procs").read_text().split())):
            raise OSError(errno.EBUSY, "somebody is in it", str(folder))
        rmtree(folder)


def lives(pid: str | int) -> bool:
    """Whether a process runs and is not only left to be reaped."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


async def until_dead(pid: int) -> None:
    async with asyncio.timeout(60):
        while lives(pid):
            await asyncio.sleep(0.01)


def real_parents(name: str) -> dict[str, Path]:
    """Folders for a fleet of that name in the real trees of version 1; skips where it cannot be."""
    trees = [group for group in read_groups(ROOT).separate if may_write(group.folder)]
    parents = {
        controller: tree.folder / name
        for tree in trees
        for controller in tree.controllers
        if controller in CONTROLLERS
    }
    if "memory" not in parents:
        pytest.skip("there is no memory controller of version 1 that we may write to")
    return parents
