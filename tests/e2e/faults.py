"""A fleet in which things can be broken on purpose, and what its alerts say then."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.asking import ask_control
from tests.e2e.fleet import Fleet, eventually, running

ECHO = """
from sutazai.agent import Agent

class Echo(Agent):
    async def run(self, task):
        return task.input
"""
AGENTS = [f"echo-{number}" for number in range(5)]
LOOPING = "looping"
CRASHING = ["sh", "-c", "exit 9"]
SMALL = {"memory": "32MiB", "cpu": 0.01}
NOISY = ("cpu-high", "memory-high", "disk-nearly-full", "calls-slow")
"""What may be true of the machine that runs the tests, or of a model that was held up."""


class Model:
    """A model server in a process of its own, which can be killed and come back on its port."""

    def __init__(self) -> None:
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.gateway.fake_backend", "--port", str(self.port)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def script(self, **changes: object) -> None:
        """Has it answer otherwise from now on."""
        httpx.put(f"{self.url}/control/script", json=changes, timeout=30).raise_for_status()


@contextmanager
def breakable(folder: Path, model: Model, alerts: dict[str, Any], **keys: Any) -> Iterator[Fleet]:
    """Five agents that are well, and one that will crash as soon as it is started."""
    (folder / "echo.py").write_text(ECHO)
    looping = {"runtime": "command", "command": CRASHING, "temperature": "warm", **SMALL}
    good = {"class": "echo:Echo", "temperature": "hot", **SMALL}
    declared = {
        "name": "breakable",
        "backends": {"fake": {"url": model.url, "slots": 1}},
        "agents": {**dict.fromkeys(AGENTS, good), LOOPING: looping},
        "alerts": {**{name: {"enabled": False} for name in NOISY}, **alerts},
        **keys,
    }
    (folder / "fleet.yaml").write_text(json.dumps(declared))
    with running(folder / "fleet.yaml") as fleet:
        yield fleet


def alerts(fleet: Fleet) -> list[dict[str, Any]]:
    """All that is open, in the order in which people see it."""
    found: Any = eventually(lambda: (ask_control(fleet, "GET", "/alerts"),), what="alerts")[0]
    return [one for one in found or [] if one["state"] != "resolved"]


def heard(fleet: Fleet) -> list[str]:
    """The rules that somebody is told of, in the same order."""
    return [one["rule"] for one in alerts(fleet) if one["state"] == "firing" and not one["muted"]]
