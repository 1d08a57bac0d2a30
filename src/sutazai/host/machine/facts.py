"""The shapes of what is known of a machine. Sizes are bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LimitsKind = Literal["cgroup-v2", "cgroup-v1", "accounting"]


@dataclass(frozen=True)
class System:
    """What runs here.

    Args:
        kernel: its release, as ``6.8.0-45-generic``.
        wsl: version of the Windows Subsystem for Linux, 0 outside of it.
        container: the kind of container that we are in, or None.
        root: whether we have all rights.
    """

    kernel: str
    wsl: Literal[0, 1, 2]
    container: str | None
    root: bool


@dataclass(frozen=True)
class Memory:
    """Main memory; 0 where the kernel does not tell.

    Args:
        limit: what our control group may take, None where it may take all.
    """

    total: int
    available: int
    swap_total: int
    swap_free: int
    limit: int | None

    @property
    def usable(self) -> int:
        """What all processes started from here may take together."""
        return self.total if self.limit is None else min(self.total, self.limit)


@dataclass(frozen=True)
class Cores:
    """Processors: ``online`` in the machine, ``allowed`` to us, ``quota`` of our control group."""

    online: int
    allowed: int
    quota: float | None

    @property
    def usable(self) -> float:
        """How many can be kept busy from here."""
        return self.allowed if self.quota is None else min(float(self.allowed), self.quota)


@dataclass(frozen=True)
class Cgroups:
    """Control groups.

    Args:
        version: that of the tree which limits memory, where both are there.
        controllers: that exist for our group.
        writable: those with which we may limit groups of our own: on v2 all or none (the group is
            delegated to us, or not), on v1 each by itself.
        folder: our own group (v2), or that of the memory controller (v1); empty if there is none.
    """

    version: Literal["v2", "v1", "none"]
    controllers: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    folder: str = ""


@dataclass(frozen=True)
class Pressure:
    """Percent of the last 10 s in which something waited (PSI); None where it is not told."""

    cpu: float | None
    memory: float | None
    io: float | None


@dataclass(frozen=True)
class OpenFiles:
    """How many files a process may open, now and at its own wish; None is without bound."""

    soft: int | None
    hard: int | None


@dataclass(frozen=True)
class Gpu:
    """A graphics processor. Memory is None where only its presence is known."""

    vendor: str
    name: str
    memory_total: int | None = None
    memory_free: int | None = None


@dataclass(frozen=True)
class Disk:
    """What holds a path.

    Args:
        filesystem: its type, as ``ext4``; empty where the kernel does not tell.
        windows: whether it is a Windows drive seen from WSL.
    """

    path: str
    total: int
    free: int
    filesystem: str
    windows: bool


@dataclass(frozen=True)
class Listener:
    """A listening TCP socket. Of other users' processes only root sees ``pid`` and ``command``."""

    host: str
    port: int
    pid: int | None = None
    command: str = ""


@dataclass(frozen=True)
class Machine:
    """One machine, as seen from this process."""

    system: System
    memory: Memory
    cores: Cores
    cgroups: Cgroups
    pressure: Pressure
    open_files: OpenFiles


def limits_kind(machine: Machine) -> LimitsKind:
    """The best way in which this machine lets us hold the memory of each instance.

    What the machine offers; whether the host uses it is told by its status.
    """
    groups = machine.cgroups
    if "memory" not in groups.writable:
        return "accounting"
    return "cgroup-v2" if groups.version == "v2" else "cgroup-v1"
