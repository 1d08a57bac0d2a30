"""No limits, where the machine has none for us: processes are counted by /proc alone.

Bounds on the address space (rlimits) are no replacement: Node and Go reserve many times what they
use, and do not start under them. An instance is its session here, which a program can leave.
"""

from __future__ import annotations

import contextlib
import os
import signal

from sutazai.host.instances.process import stat_fields
from sutazai.host.limits.interface import Bounds, Limit, Usage
from sutazai.host.machine.facts import LimitsKind

TICKS = os.sysconf("SC_CLK_TCK")


class Accounting:
    """Holds nobody to anything. ``usage`` costs one look at /proc; memory is left to PSS."""

    def __init__(self, *, why: str = "") -> None:
        self.why = why

    @property
    def kind(self) -> LimitsKind:
        return "accounting"

    @property
    def caps_cpu(self) -> bool:
        return False

    def create(self, instance: str, limit: Limit) -> tuple[str, ...]:
        return ()

    def share_cpu(self, instance: str, limit: Limit) -> None:
        """Nothing: there is nobody to tell."""

    def grow(self) -> None:
        """Nothing, for the same reason."""

    def usage(self, instance: str, leader: int) -> Usage | None:
        """CPU seconds of the first process and of those of its children that have ended."""
        try:
            fields = stat_fields(leader)
        except OSError:
            return None
        return Usage(cpu=sum(int(ticks) for ticks in fields[11:15]) / TICKS)

    def bounds(self, instance: str) -> Bounds | None:
        """None: nothing is held here."""

    def reclaim(self, instance: str) -> None:
        """Nothing: without groups the kernel cannot be asked for that."""

    def kill(self, instance: str, leader: int) -> None:
        for pid in _session(leader) if leader else ():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def remove(self, instance: str) -> bool:
        return True

    def names(self) -> list[str]:
        return []

    def close(self) -> None:
        """Nothing was made."""


def _session(leader: int) -> list[int]:
    """The processes of the session that ``leader`` leads or led."""
    found = []
    for name in os.listdir("/proc"):
        with contextlib.suppress(ProcessLookupError):
            if name.isdecimal() and os.getsid(int(name)) == leader:
                found.append(int(name))
    return found
