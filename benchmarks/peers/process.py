"""A program under load: started, watched through /proc, stopped."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

START_PATIENCE = 60.0
STOP_PATIENCE = 15.0

_TICKS = os.sysconf("SC_CLK_TCK")
_USER_TIME = 11  # of the fields that follow the program's name in /proc/PID/stat


class LeftOut(Exception):
    """A peer cannot be measured on this machine; says why."""


class Program:
    """A process and whatever it starts.

    Args:
        command: what is run.
        port: the TCP port it will listen on.
        log: where its output goes.
    """

    def __init__(
        self, command: Sequence[str], *, port: int, log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.port = port
        self._log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                command, env={**os.environ, **(env or {})}, stdout=out, stderr=subprocess.STDOUT
            )

    async def ready(self) -> None:
        """Waits until it listens. Raises LeftOut where it ends or does not come to it."""
        ends = time.monotonic() + START_PATIENCE
        while not _listens(self.port):
            if self._process.poll() is not None or time.monotonic() > ends:
                self.stop()
                raise LeftOut(f"it did not start: {self._last_words()}")
            await asyncio.sleep(0.05)

    def cpu_seconds(self) -> float:
        """User and system time of it and its children so far, those that ended included."""
        return sum(map(_cpu_seconds, self._pids()))

    def rss_mib(self) -> float:
        """Resident memory of it and its children."""
        return sum(map(_rss_kib, self._pids())) / 1024

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _pids(self) -> list[int]:
        found = [self._process.pid]
        for pid in found:  # grows while it is walked through
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                found += map(int, children.read_text().split())
        return found

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {self._process.returncode}"


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[_USER_TIME : _USER_TIME + 4])) / _TICKS


def _rss_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
