"""Reads how much memory is in use: of the machine, and of each control group that bounds us."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from sutazai.host.machine.cgroups import Groups, read_groups
from sutazai.host.machine.files import number, text
from sutazai.host.machine.reading import ROOT, read_memory, stalled
from sutazai.host.pressure.levels import Reading

PAGE = os.sysconf("SC_PAGE_SIZE")


class MemoryReader:
    """Reads the machine below ``root``; our groups are looked for once."""

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self._groups = read_groups(root)

    def read(self) -> Reading:
        """Memory now, where it is shortest. Never raises: what cannot be read is 0 or None."""
        readings = (self._machine(), *_of_groups(self._groups))
        return max(readings, key=lambda reading: reading.percent)

    def _machine(self) -> Reading:
        memory = read_memory(self._root, self._groups)
        available = memory.available or memory.total  # a kernel that does not tell is believed well
        waited = stalled(self._root / "proc/pressure/memory")
        return Reading(memory.total, memory.total - available, waited)


def own_memory() -> int:
    """Bytes of main memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def _of_groups(groups: Groups) -> Iterator[Reading]:
    for folder, limit in groups.bounded():
        if (used := _used(folder)) is not None:
            yield Reading(limit, used, stalled(folder / "memory.pressure"))


def _used(folder: Path) -> int | None:
    """What a group holds without the files that the kernel can drop at once."""
    for total, dropped in (
        ("memory.current", "inactive_file"),
        ("memory.usage_in_bytes", "total_inactive_file"),
    ):
        if (used := number(folder / total)) is not None:
            return max(0, used - _counted(folder / "memory.stat", dropped))
    return None


def _counted(stat: Path, name: str) -> int:
    for line in text(stat).splitlines():
        words = line.split()
        if words[:1] == [name] and len(words) == 2 and words[1].isdecimal():
            return int(words[1])
    return 0
