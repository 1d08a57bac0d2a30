"""What /proc knows of the processes of this machine, and signals that cannot hit a stranger."""

from __future__ import annotations

import os
import signal


class Process:
    """One process at one moment; ``pid`` and ``start_time`` together name it for ever.

    ``start_time`` is in clock ticks since boot; ``terminal`` is 0 without a controlling terminal.
    """

    __slots__ = ("parent", "pid", "session", "start_time", "state", "terminal")

    def __init__(
        self, pid: int, parent: int, *, session: int, terminal: int, start_time: int, state: str
    ) -> None:
        self.pid = pid
        self.parent = parent
        self.session = session
        self.terminal = terminal
        self.start_time = start_time
        self.state = state

    @property
    def identity(self) -> tuple[int, int]:
        return self.pid, self.start_time

    @property
    def ended(self) -> bool:
        """Dead, and only waiting to be reaped by its parent."""
        return self.state in "ZX"


def read(pid: int) -> Process | None:
    """The process ``pid``, also if it has ended and is not yet reaped; None if there is none."""
    line = _proc_file(pid, "stat")
    if not line:
        return None
    # The name in parentheses may itself hold spaces and parentheses.
    fields = line[line.rindex(b")") + 2 :].split()
    return Process(
        pid,
        int(fields[1]),
        session=int(fields[3]),
        terminal=int(fields[4]),
        start_time=int(fields[19]),
        state=fields[0].decode(),
    )


def pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def table() -> dict[int, Process]:
    """Every process of this machine by its pid."""
    found = (read(pid) for pid in pids())
    return {process.pid: process for process in found if process is not None}


def carries(pid: int, mark: str) -> bool:
    """Whether the process was started with ``mark`` (``NAME=value``) in its environment."""
    return os.fsencode(mark) in _proc_file(pid, "environ").split(b"\0")


def program(pid: int) -> str:
    """The name of the program as the kernel keeps it (15 characters), or empty."""
    return os.fsdecode(_proc_file(pid, "comm").rstrip(b"\n"))


def send(process: Process, *signals: int) -> None:
    """Signals this very process, and nobody else who may have got its pid since."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        now = read(process.pid)
        if now is not None and now.start_time == process.start_time:
            for number in signals:
                signal.pidfd_send_signal(handle, number)
    except (ProcessLookupError, PermissionError):
        pass  # gone meanwhile; or it took another user's identity, and is not ours to signal
    finally:
        os.close(handle)


def _proc_file(pid: int, name: str) -> bytes:
    try:
        with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:
            return file.readall()
    except OSError:  # it is gone, or another user's
        return b""
