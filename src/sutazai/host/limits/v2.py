"""Limits by control groups of version 2: one folder a fleet, and below it one an instance."""

from __future__ import annotations

import contextlib
from pathlib import Path

from sutazai.host.limits import folders
from sutazai.host.limits.folders import Folders, KernelFolders, write, write_where_there
from sutazai.host.limits.interface import Bounds, Limit, Usage
from sutazai.host.limits.reservation import grown
from sutazai.host.machine.facts import LimitsKind
from sutazai.host.machine.files import number, text

PERIOD = 100_000
"""Microseconds in which a quota of CPU time is used up."""
MICROSECONDS = 1_000_000
NO_BOUND = "max"
HOUSE = "sutazai-house"
"""Where processes go that were in our group: none may be in one that has limited groups below."""


class GroupsV2:
    """``parent`` is the fleet's own group, in which the controllers are switched on."""

    def __init__(self, parent: Path, kernel: Folders | None = None) -> None:
        self.why = ""
        self._parent = parent
        self._kernel = kernel or KernelFolders()

    @property
    def kind(self) -> LimitsKind:
        return "cgroup-v2"

    @property
    def caps_cpu(self) -> bool:
        return "cpu" in text(self._parent / "cgroup.subtree_control").split()

    def create(self, instance: str, limit: Limit) -> tuple[str, ...]:
        group = self._parent / instance
        self._kernel.make(group)
        if limit.memory is not None:
            write(group / "memory.max", limit.memory)
            # What does not fit is told at once; swapping would only make it slow for everybody.
            write_where_there(group / "memory.swap.max", 0)
            write(group / "memory.high", _high(limit.reservation, limit.memory))
        write_where_there(group / "pids.max", limit.processes or NO_BOUND)
        self.share_cpu(instance, limit)
        return (str(group / folders.PROCESSES),)

    def share_cpu(self, instance: str, limit: Limit) -> None:
        group = self._parent / instance
        write_where_there(group / "cpu.weight", limit.weight)
        quota = None if limit.cores is None else round(limit.cores * PERIOD)
        write_where_there(group / "cpu.max.burst", 0)  # never more than the quota
        write_where_there(group / "cpu.max", f"{quota or NO_BOUND} {PERIOD}")
        write_where_there(group / "cpu.max.burst", quota or 0)

    def grow(self) -> None:
        for instance in self.names():
            with contextlib.suppress(OSError):  # it ends at this moment
                self._grow(self._parent / instance)

    def _grow(self, group: Path) -> None:
        reserved, used = number(group / "memory.high"), number(group / "memory.current")
        if reserved is None or used is None:
            return  # it has all that it may have
        maximum = number(group / "memory.max")
        if (more := grown(reserved, used, maximum)) != reserved:
            write(group / "memory.high", _high(more, maximum))

    def usage(self, instance: str, leader: int) -> Usage | None:
        group = self._parent / instance
        if not group.exists():
            return None
        cpu = folders.counters(group / "cpu.stat").get("usage_usec")
        return Usage(
            memory=number(group / "memory.current"),
            peak=number(group / "memory.peak"),
            limit=number(group / "memory.max"),
            cpu=None if cpu is None else cpu / MICROSECONDS,
            oom_kills=folders.counters(group / "memory.events").get("oom_kill", 0),
        )

    def bounds(self, instance: str) -> Bounds | None:
        group = self._parent / instance
        if not (maximum := text(group / "memory.max").strip()):
            return None
        memory = int(maximum) if maximum.isdecimal() else None
        return Bounds(memory=memory, cores=_cores(text(group / "cpu.max")))

    def reclaim(self, instance: str) -> None:
        group = self._parent / instance
        with contextlib.suppress(OSError):  # less than all could be taken, or a kernel before 5.19
            write(group / "memory.swap.max", NO_BOUND)
            write(group / "memory.reclaim", number(group / "memory.current") or 0)

    def kill(self, instance: str, leader: int) -> None:
        group = self._parent / instance
        try:
            write(group / "cgroup.kill", 1)
        except OSError:  # a kernel before 5.14
            folders.kill_members(group)

    def remove(self, instance: str) -> bool:
        return folders.removed(self._parent / instance, self._kernel)

    def names(self) -> list[str]:
        return folders.names(self._parent)

    def close(self) -> None:
        for folder in (self._parent, self._parent.with_name(HOUSE)):
            with contextlib.suppress(OSError):  # others live in the house as long as they like
                self._kernel.remove(folder)


def _cores(told: str) -> float | None:
    """From ``50000 100000``, a quota and its period; None where there is no quota."""
    quota, _, period = told.strip().partition(" ")
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() else None


def _high(reservation: int, maximum: int | None) -> int | str:
    """Where it is slowed down. Not at its limit too: it would be slowed down instead of told."""
    return NO_BOUND if maximum is not None and reservation >= maximum else reservation
