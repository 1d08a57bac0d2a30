"""Limits by control groups of version 1: the same folders in the tree of each controller."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from sutazai.host.limits import folders
from sutazai.host.limits.folders import Folders, KernelFolders, write, write_where_there
from sutazai.host.limits.interface import Bounds, Limit, Usage
from sutazai.host.machine.facts import LimitsKind
from sutazai.host.machine.files import number

CONTROLLERS = ("memory", "cpu", "cpuacct", "pids")
"""What is used of those that there are; the first is needed."""

THREADS = "tasks"
"""Where a process of one thread enters a group. At the other door, for whole processes, the kernel
lets it wait until every core has been idle or in the kernel for once: 7 ms and more."""

PERIOD = 100_000
"""Microseconds in which a quota of CPU time is used up."""
NO_QUOTA = -1
SHARES = 1024 / 100
"""Shares that stand for one of version 2's weights: 1,024 and 100 are the usual ones."""
NANOSECONDS = 1_000_000_000
UNLIMITED = 2**60
"""Numbers above this mean that there is no limit."""


class GroupsV1:
    """``parents`` are the fleet's own groups, one for each controller that may be used."""

    def __init__(
        self, parents: Mapping[str, Path], *, why: str = "", kernel: Folders | None = None
    ) -> None:
        self.why = why
        self._parents = dict(parents)
        self._kernel = kernel or KernelFolders()

    @property
    def kind(self) -> LimitsKind:
        return "cgroup-v1"

    @property
    def caps_cpu(self) -> bool:
        return "cpu" in self._parents

    def create(self, instance: str, limit: Limit) -> tuple[str, ...]:
        groups = list(self._groups(instance))
        for group in groups:
            self._kernel.make(group)
        if limit.memory is not None:
            memory = self._parents["memory"] / instance
            write(memory / "memory.limit_in_bytes", limit.memory)
            with contextlib.suppress(OSError):  # swap is not counted by every kernel
                write(memory / "memory.memsw.limit_in_bytes", limit.memory)
        if "pids" in self._parents and limit.processes is not None:
            write(self._parents["pids"] / instance / "pids.max", limit.processes)
        self.share_cpu(instance, limit)
        return tuple(str(group / THREADS) for group in groups)

    def share_cpu(self, instance: str, limit: Limit) -> None:
        if "cpu" not in self._parents:
            return
        group = self._parents["cpu"] / instance
        write(group / "cpu.shares", max(2, round(limit.weight * SHARES)))
        quota = None if limit.cores is None else round(limit.cores * PERIOD)
        write_where_there(group / "cpu.cfs_burst_us", 0)  # never more than the quota
        write_where_there(group / "cpu.cfs_period_us", PERIOD)
        write_where_there(group / "cpu.cfs_quota_us", quota or NO_QUOTA)
        write_where_there(group / "cpu.cfs_burst_us", quota or 0)

    def grow(self) -> None:
        """Nothing: version 1 has no place to write a reservation that is held."""

    def usage(self, instance: str, leader: int) -> Usage | None:
        group = self._parents["memory"] / instance
        if (memory := number(group / "memory.usage_in_bytes")) is None:
            return None
        return Usage(
            memory=memory,
            peak=number(group / "memory.max_usage_in_bytes"),
            limit=_bound(number(group / "memory.limit_in_bytes")),
            cpu=self._cpu(instance),
            oom_kills=_oom_kills(group),
        )

    def bounds(self, instance: str) -> Bounds | None:
        limit = number(self._parents["memory"] / instance / "memory.limit_in_bytes")
        return None if limit is None else Bounds(memory=_bound(limit), cores=self._cores(instance))

    def reclaim(self, instance: str) -> None:
        with contextlib.suppress(OSError):  # less than all could be taken
            write(self._parents["memory"] / instance / "memory.force_empty", 0)

    def kill(self, instance: str, leader: int) -> None:
        folders.kill_members(self._parents["memory"] / instance)

    def remove(self, instance: str) -> bool:
        gone = [folders.removed(group, self._kernel) for group in self._groups(instance)]
        return all(gone)

    def names(self) -> list[str]:
        return sorted({name for top in self._tops() for name in folders.names(top)})

    def close(self) -> None:
        for top in self._tops():
            with contextlib.suppress(OSError):
                self._kernel.remove(top)

    def _tops(self) -> list[Path]:
        """Each folder once: two controllers may share a tree, as cpu and cpuacct often do."""
        return list(dict.fromkeys(path.resolve() for path in self._parents.values()))

    def _groups(self, instance: str) -> Iterator[Path]:
        return (top / instance for top in self._tops())

    def _cores(self, instance: str) -> float | None:
        if "cpu" not in self._parents:
            return None
        group = self._parents["cpu"] / instance
        quota, period = number(group / "cpu.cfs_quota_us"), number(group / "cpu.cfs_period_us")
        return quota / period if quota and period else None

    def _cpu(self, instance: str) -> float | None:
        if "cpuacct" not in self._parents:
            return None
        used = number(self._parents["cpuacct"] / instance / "cpuacct.usage")
        return None if used is None else used / NANOSECONDS


def _bound(limit: int | None) -> int | None:
    return limit if limit is not None and limit < UNLIMITED else None


def _oom_kills(group: Path) -> int:
    """Where the kernel does not count kills (before 4.13), whether memory was refused at all."""
    told = folders.counters(group / "memory.oom_control")
    return told.get("oom_kill", min(1, number(group / "memory.failcnt") or 0))
