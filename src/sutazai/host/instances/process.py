"""A process of ours, told apart from every other by its id, its start time and this boot.

A process id alone means nothing: it is given to somebody else once its owner is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class ProcessId:
    """``start_time`` is in clock ticks since boot (field 22 of ``/proc/PID/stat``)."""

    pid: int
    start_time: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """The identity of a running process or zombie; None where there is none."""
        try:
            fields = stat_fields(pid)
        except OSError:
            return None
        return cls(pid, int(fields[19]), boot_id())


def stat_fields(pid: int) -> list[str]:
    """``/proc/PID/stat`` from field 3 (state) on. Raises OSError where there is no such process."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


@cache
def boot_id() -> str:
    """Tells this boot of the machine from all others."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


class Process:
    """A running process, held by a pidfd. It is the keeper's child, never the host's."""

    def __init__(self, identity: ProcessId, pidfd: int) -> None:
        self.identity = identity
        self._pidfd = pidfd
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(pidfd, self._on_end)

    @property
    def pid(self) -> int:
        return self.identity.pid

    @classmethod
    def adopt(cls, identity: ProcessId) -> Process | None:
        """The process of that identity, if it still runs."""
        try:
            pidfd = os.pidfd_open(identity.pid)
        except OSError:
            return None
        if ProcessId.of(identity.pid) != identity:
            os.close(pidfd)
            return None
        return cls(identity, pidfd)

    async def ended(self) -> None:
        """Waits until the process has ended."""
        await self._ended.wait()

    @property
    def has_ended(self) -> bool:
        return self._ended.is_set()

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to exactly this process; nothing where it has ended."""
        if not self.has_ended:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def kill_group(self) -> None:
        """Ends what the process left in its group; each instance leads a group of its own."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Lets go of the process without touching it."""
        if self._pidfd >= 0:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def _on_end(self) -> None:
        self._ended.set()
        self.close()
