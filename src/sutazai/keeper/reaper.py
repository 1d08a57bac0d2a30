"""Reaps every process that ends below the keeper, and writes down how it ended.

The journal tells a host that was dead meanwhile, or that never was the parent, how its instances
ended. One JSON line each::

    {"pid", "start_time" (clock ticks since boot), "status" or "signal" (its name),
     "at" (seconds since 1970), "peak_rss" (bytes)}

It comes within microseconds of the process's end, but not before: a reader that finds a process
gone and no line yet should look again.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator

from sutazai.keeper import log, processes

JOURNAL_LIMIT = 1024 * 1024


class Exit:
    """How one process ended. Exactly one of ``status`` and ``signal`` is not None."""

    __slots__ = ("at", "peak_rss", "pid", "signal", "start_time", "status")

    def __init__(self, pid: int, start_time: int, *, waited: int, peak_rss: int, at: float) -> None:
        code = os.waitstatus_to_exitcode(waited)
        self.pid = pid
        self.start_time = start_time
        self.status = code if code >= 0 else None
        self.signal = _signal_name(-code) if code < 0 else None
        self.peak_rss = peak_rss
        self.at = at

    @property
    def how(self) -> str:
        return f"status {self.status}" if self.signal is None else self.signal

    def as_dict(self) -> dict[str, object]:
        ending = {"status": self.status} if self.signal is None else {"signal": self.signal}
        return {
            "pid": self.pid,
            "start_time": self.start_time,
            **ending,
            "at": self.at,
            "peak_rss": self.peak_rss,
        }


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # real-time signals have no names of their own
        return f"SIG{number}"


def reap(most: int) -> Iterator[Exit]:
    """Reaps up to ``most`` children that have ended."""
    for _ in range(most):
        pid = _next_ended()
        if pid is None:
            return
        ended = processes.read(pid)  # can be read until it is reaped, and not after
        _, waited, usage = os.wait4(pid, 0)
        yield Exit(
            pid,
            ended.start_time if ended else 0,
            waited=waited,
            peak_rss=usage.ru_maxrss * 1024,
            at=time.time(),
        )


def _next_ended() -> int | None:
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    except ChildProcessError:
        return None
    return found.si_pid if found else None


def childless() -> bool:
    """Whether no child is left, living or ended. No child means no descendant: we are subreaper."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    except ChildProcessError:
        return True
    return False


class Journal:
    """``exits.jsonl`` in ``folder``, and one older file ``exits.1.jsonl``."""

    def __init__(self, folder: str, limit: int = JOURNAL_LIMIT) -> None:
        self._path = os.path.join(folder, "exits.jsonl")
        self._old = os.path.join(folder, "exits.1.jsonl")
        self._limit = limit
        self._open()

    def append(self, ended: Exit) -> None:
        """Writes one line in one call, so that no reader and no kill ever sees lines mixed."""
        line = json.dumps(ended.as_dict(), separators=(",", ":")).encode() + b"\n"
        try:
            if self._size + len(line) > self._limit:
                self._rotate()
            self._size += os.write(self._file, line)
        except OSError as error:
            log.say(f"the end of process {ended.pid} cannot be written down: {error}")

    def close(self) -> None:
        os.close(self._file)

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._file = os.open(self._path, flags, 0o600)
        self._size = os.fstat(self._file).st_size

    def _rotate(self) -> None:
        with contextlib.suppress(FileNotFoundError):  # somebody cleaned the folder
            os.rename(self._path, self._old)
        os.close(self._file)
        self._open()
