"""What holds instances to their limits: one interface, for what the machine allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sutazai.host.machine.facts import LimitsKind


@dataclass(frozen=True, kw_only=True)
class Limit:
    """What one instance may take; None is without bound.

    Args:
        memory: bytes, beyond which it is killed.
        reservation: bytes that are counted for it at its start.
        weight: its share of the cores where they are short, 1 to 10,000; 100 is usual.
        cores: how many it may keep busy.
        processes: processes and threads.
        open_files: of each of its processes.
    """

    memory: int | None
    reservation: int
    weight: int
    cores: float | None
    processes: int | None
    open_files: int | None


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What the kernel holds an instance to: bytes, and how many cores it may keep busy; None for
    all there are."""

    memory: int | None
    cores: float | None


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What an instance has taken so far; None where it is not told.

    Args:
        memory, peak, limit: bytes.
        cpu: seconds of processor time, of all its processes.
        oom_kills: how many of its processes the kernel killed for want of memory.
    """

    memory: int | None = None
    peak: int | None = None
    limit: int | None = None
    cpu: float | None = None
    oom_kills: int = 0


class Limits(Protocol):
    """Holds each instance of one fleet to its limit. Instances are known by their names.

    ``why`` says why no better kind is in use; empty where there is none.
    """

    why: str

    @property
    def kind(self) -> LimitsKind:
        """How limits are held."""

    @property
    def caps_cpu(self) -> bool:
        """Whether an instance can be held to a number of cores."""

    def create(self, instance: str, limit: Limit) -> tuple[str, ...]:
        """Makes room for an instance: the files into which its process, while it has one thread,
        writes a nought.

        Raises OSError where the kernel refuses.
        """

    def share_cpu(self, instance: str, limit: Limit) -> None:
        """Gives a running instance another share of the cores."""

    def grow(self) -> None:
        """Raises the reservations of instances that use most of theirs."""

    def usage(self, instance: str, leader: int) -> Usage | None:
        """What it took; None where nothing is known. ``leader`` is its first process."""

    def bounds(self, instance: str) -> Bounds | None:
        """What it is held to; None where it has no room of its own."""

    def reclaim(self, instance: str) -> None:
        """Has the kernel put the memory of an instance that stands still into swap, as far as it
        can. May take a while."""

    def kill(self, instance: str, leader: int) -> None:
        """SIGKILL to everything in it. What is being born meanwhile may escape: call again."""

    def remove(self, instance: str) -> bool:
        """Takes the room away; False while somebody in it has not ended yet."""

    def names(self) -> list[str]:
        """The instances that there is room for, also those of an earlier host."""

    def close(self) -> None:
        """Removes what belongs to the whole fleet, once no instance is left."""
