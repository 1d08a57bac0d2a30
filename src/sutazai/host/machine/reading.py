"""Reads what the kernel tells of memory, processors, pressure and limits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from sutazai.host.machine.cgroups import Groups, Writable, may_write, read_groups
from sutazai.host.machine.facts import (
    Cores,
    Machine,
    Memory,
    OpenFiles,
    Pressure,
    System,
)
from sutazai.host.machine.files import fields, text

ROOT = Path("/")

_CONTAINER_MARKS = {
    "run/.containerenv": "podman",
    "var/run/secrets/kubernetes.io": "kubernetes",
    ".dockerenv": "docker",
}


def read_machine(root: Path = ROOT, *, writable: Writable = may_write) -> Machine:
    """The facts of the machine whose files are below ``root``.

    Args:
        writable: tells whether we may write to a path below ``root``.
    """
    groups = read_groups(root)
    return Machine(
        system=read_system(root),
        memory=read_memory(root, groups),
        cores=_cores(root, groups),
        cgroups=groups.facts(writable),
        pressure=_pressure(root),
        open_files=_open_files(root),
    )


def read_system(root: Path = ROOT) -> System:
    """Kernel, container and rights."""
    users = fields(root / "proc/self/status").get("Uid", "").split()  # real, effective, …
    return System(
        kernel=text(root / "proc/sys/kernel/osrelease").strip(),
        wsl=_wsl(root),
        container=_container(root),
        root=users[1:2] == ["0"],
    )


def _wsl(root: Path) -> Literal[0, 1, 2]:
    """Microsoft's kernels name it; those of version 1 end in ``-Microsoft``."""
    told = text(root / "proc/sys/kernel/osrelease") + text(root / "proc/version")
    if "microsoft" not in told.lower():
        return 0
    return 1 if "-Microsoft" in told else 2


def _container(root: Path) -> str | None:
    for mark, kind in _CONTAINER_MARKS.items():
        if os.path.exists(root / mark):
            return kind
    return text(root / "run/systemd/container").strip() or None


def read_memory(root: Path, groups: Groups) -> Memory:
    """Main memory, and what our control group may take of it."""
    told = fields(root / "proc/meminfo")
    return Memory(
        total=_kibibytes(told, "MemTotal"),
        available=_kibibytes(told, "MemAvailable"),
        swap_total=_kibibytes(told, "SwapTotal"),
        swap_free=_kibibytes(told, "SwapFree"),
        limit=groups.memory_limit(),
    )


def _kibibytes(told: dict[str, str], name: str) -> int:
    words = told.get(name, "").split()
    return int(words[0]) * 1024 if words and words[0].isdecimal() else 0


def _cores(root: Path, groups: Groups) -> Cores:
    online = _count(text(root / "sys/devices/system/cpu/online"))
    allowed = _count(fields(root / "proc/self/status").get("Cpus_allowed_list", ""))
    return Cores(online=online, allowed=allowed or online, quota=groups.cpu_quota())


def _count(ranges: str) -> int:
    """How many numbers there are in ``0-3,8,10-11``; 0 for what is no such list."""
    total = 0
    for part in ranges.strip().split(","):
        first, _, last = part.partition("-")
        if not first.isdecimal() or not (last or first).isdecimal():
            return 0
        total += int(last or first) - int(first) + 1
    return total


def _pressure(root: Path) -> Pressure:
    folder = root / "proc/pressure"
    return Pressure(
        cpu=stalled(folder / "cpu"), memory=stalled(folder / "memory"), io=stalled(folder / "io")
    )


def stalled(path: Path) -> float | None:
    """Percent of the last 10 s in which something waited, as a file of PSI tells it: the first
    number of ``some avg10=1.53 avg60=…``."""
    for line in text(path).splitlines():
        words = line.split()
        if words[:1] == ["some"] and len(words) > 1 and words[1].startswith("avg10="):
            try:
                return float(words[1].removeprefix("avg10="))
            except ValueError:
                return None
    return None


def _open_files(root: Path) -> OpenFiles:
    for line in text(root / "proc/self/limits").splitlines():
        if line.startswith("Max open files"):
            soft, hard, *_ = [*line.removeprefix("Max open files").split(), "", ""]
            return OpenFiles(soft=_bound(soft), hard=_bound(hard))
    return OpenFiles(None, None)


def _bound(word: str) -> int | None:
    return int(word) if word.isdecimal() else None
