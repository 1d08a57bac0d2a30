"""A real fleet for tests: started and ended by the command line, on ports of its own."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from sutazai.host.instances.ports import is_free

OFFSETS = (0, 1, 94, *range(290, 590))
"""Ports that a fleet takes, relative to its base: control, dashboard, gateway, agents."""
PATIENCE = 150.0
"""Seconds that one command may take: `up` itself waits for two minutes, as long as it must."""


class Fleet:
    """One fleet below a temporary folder; ``stop`` leaves nothing behind."""

    def __init__(self, file: Path | None = None, **environment: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sutazai-test-"))
        self.state = self.folder / "state"
        self.file = file
        self.port_base = free_port_base()
        self.environment = {**os.environ, "XDG_RUNTIME_DIR": str(self.folder), **environment}

    @property
    def gateway(self) -> str:
        return f"http://127.0.0.1:{self.port_base + 94}"

    @property
    def control(self) -> str:
        return f"http://127.0.0.1:{self.port_base}"

    @property
    def token(self) -> str:
        return (self.state / "token").read_text().strip()

    def cli(self, *arguments: str, timeout: float = PATIENCE) -> subprocess.CompletedProcess[str]:
        """Runs ``sutazai ARGUMENTS --state …`` to its end."""
        command = [sys.executable, "-m", "sutazai.cli", *arguments, "--state", str(self.state)]
        return subprocess.run(
            command, env=self.environment, timeout=timeout, text=True, capture_output=True
        )

    def up(self, *more: str, timeout: float = PATIENCE) -> subprocess.CompletedProcess[str]:
        file = ("-f", str(self.file)) if self.file else ()
        base = ("--port-base", str(self.port_base))
        return self.cli("up", "--detach", *base, *file, *more, timeout=timeout)

    def must(self, *arguments: str, timeout: float = PATIENCE) -> str:
        """What a command prints; fails the test with all it said where it fails."""
        done = self.cli(*arguments, timeout=timeout)
        assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def status(self) -> dict[str, Any]:
        """What control says of the fleet; fails the test while it is away. Much cheaper than the
        command, so that it can be asked again and again."""
        headers = {"authorization": f"Bearer {self.token}"}
        url = f"{self.control}/api/v1/status?memory=1"
        try:
            answer = httpx.get(url, headers=headers, timeout=PATIENCE)
        except httpx.TransportError as error:
            raise AssertionError(f"control is away: {error!r}") from error
        assert answer.is_success, answer.text
        value: dict[str, Any] = answer.json()
        return value

    def agent(self, name: str) -> dict[str, Any]:
        return next(one for one in self.status()["agents"] if one["name"] == name)

    def plane(self, name: str) -> dict[str, Any]:
        return next(one for one in self.status()["planes"] if one["name"] == name)

    def processes(self) -> list[int]:
        """Every process that belongs to this fleet."""
        mark = f"SUTAZAI_MARK={self.state}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    environment = (entry / "environ").read_bytes().split(b"\0")
                except OSError:
                    continue
                if mark in environment and not is_zombie(int(entry.name)):
                    found.append(int(entry.name))
        return found

    def stop(self) -> None:
        self.cli("down")
        left = self.processes()
        shutil.rmtree(self.folder, ignore_errors=True)
        assert not left, f"processes left: {left}"


@contextmanager
def running(file: Path | None = None, **environment: str) -> Iterator[Fleet]:
    """A fleet that is up."""
    fleet = Fleet(file, **environment)
    try:
        done = fleet.up()
        assert done.returncode == 0, done.stdout + done.stderr
        yield fleet
    finally:
        fleet.stop()


def is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def free_port_base() -> int:
    """A base below which no port that a fleet takes is in use now."""
    for _ in range(100):
        base = random.randrange(11000, 31000, 10)
        if all(is_free(base + offset) for offset in OFFSETS):
            return base
    raise AssertionError("no free ports")


def eventually(
    holds: Callable[[], Any], within: float = 60.0, what: str = "", every: float = 0.05
) -> Any:
    """The first true answer of ``holds``, asked ``every`` so many seconds; fails after ``within``
    seconds."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if answer := holds():
            return answer
        time.sleep(every)
    raise AssertionError(f"did not come about in {within:.0f} s: {what}")
