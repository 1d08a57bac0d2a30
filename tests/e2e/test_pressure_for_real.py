"""Memory runs short for real: a fleet in a bounded control group, and stress-ng beside it.

What the tests of the policy say in virtual time is seen here once as it happens.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.asking import status_of
from tests.e2e.fleet import PATIENCE, Fleet, eventually
from tests.host.limits.kernels import real_parents

MIB = 1024**2
BOUND = 1536 * MIB
HEALTH_INTERVAL = 10.0
"""Seconds, the default of the fleet file."""
HOARD = 48
"""MiB that each agent holds, so that ending some of them is felt."""
LOW = [f"low-{number}" for number in range(6)]
OTHERS = ["mid", "high", "vital"]
AUTHORED = f"""
from sutazai.agent import Agent

class Holder(Agent):
    async def start(self):
        self.hoard = bytearray(b"x" * ({HOARD} * 1024 * 1024))

    async def run(self, task):
        return task.input

    async def on_pressure(self, pressure):
        print("heard", pressure.level, pressure.action, flush=True)
"""
AGENT = {"class": "authored:Holder", "temperature": "hot", "memory": "128MiB", "cpu": 0.01}


class Bounded(Fleet):
    """A fleet that comes up in a control group of the test's own."""

    def __init__(self, file: Path, group: Path) -> None:
        super().__init__(file)
        self.group = group

    def up(self, *more: str, timeout: float = PATIENCE) -> subprocess.CompletedProcess[str]:
        base = ("--port-base", str(self.port_base), "-f", str(self.file))
        up = [sys.executable, "-m", "sutazai.cli", "up", "--detach", *base, *more]
        command = self.inside(*up, "--state", str(self.state))
        return subprocess.run(
            command, env=self.environment, timeout=timeout, text=True, capture_output=True
        )

    def inside(self, *command: str) -> list[str]:
        """A command that runs in the group."""
        enter = 'echo $$ > "$0" && exec "$@"'
        return ["sh", "-c", enter, str(self.group / "cgroup.procs"), *command]

    @property
    def used(self) -> int:
        stat = (self.group / "memory.stat").read_text().split()
        droppable = int(stat[stat.index("total_inactive_file") + 1])
        return int((self.group / "memory.usage_in_bytes").read_text()) - droppable


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Bounded]:
    if shutil.which("stress-ng") is None:
        pytest.skip("stress-ng is not installed")
    group = real_parents(f"sutazai-pressure-{os.getpid()}")["memory"]
    (tmp_path / "authored.py").write_text(AUTHORED)
    (tmp_path / "fleet.yaml").write_text(json.dumps(declared()))
    group.mkdir()
    fleet = Bounded(tmp_path / "fleet.yaml", group)
    try:
        (group / "memory.limit_in_bytes").write_text(str(BOUND))
        done = fleet.up()
        assert done.returncode == 0, done.stdout + done.stderr
        yield fleet
    finally:
        fleet.stop()
        eventually(lambda: removed(group), 30, "the group is empty")


def removed(group: Path) -> bool:
    with suppress(OSError):
        for folder, _, _ in os.walk(group, topdown=False):
            os.rmdir(folder)
    return not group.exists()


def declared() -> dict[str, Any]:
    agents: dict[str, dict[str, Any]] = {name: {**AGENT, "priority": "low"} for name in LOW}
    agents["mid"] = AGENT
    agents["high"] = {**AGENT, "priority": "high"}
    agents["vital"] = {**AGENT, "priority": "low", "pool": "critical"}
    return {
        "name": "pressure",
        "memory": {"reserve": "64MiB"},
        "backends": {"none": {"url": "http://127.0.0.1:9"}},
        "agents": agents,
    }


@contextmanager
def stress(fleet: Bounded, size: int) -> Iterator[None]:
    """Somebody else holds so many bytes in the same group."""
    hog = ["stress-ng", "--vm", "1", "--vm-bytes", str(size), "--vm-keep", "--vm-hang", "0"]
    quiet = ["--quiet", "--oomable", "--temp-path", str(fleet.folder)]
    process = subprocess.Popen(fleet.inside(*hog, *quiet), start_new_session=True)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def pids(fleet: Fleet) -> dict[str, list[int]]:
    status = status_of(fleet)
    return {
        one["name"]: [each["pid"] for each in one["instances"]]
        for one in (*status["agents"], *status["planes"])
    }


def events(fleet: Fleet, kind: str) -> list[dict[str, Any]]:
    lines = (fleet.state / "events.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["kind"] == kind]


def at_rest(fleet: Bounded) -> bool:
    """Whether every agent is known to be idle, and no process still takes more and more.

    Who is idle is learned when its health is asked for, so after two rounds at the latest.
    """
    before = fleet.used
    time.sleep(2.0)
    rested = time.time() - max(event["at"] for event in events(fleet, "started"))
    return rested > 2 * HEALTH_INTERVAL and abs(fleet.used - before) < 2 * MIB


@pytest.mark.timeout(400)
@pytest.mark.soak
def test_the_lowest_idle_agents_give_way_and_all_comes_back(fleet: Bounded) -> None:
    before = pids(fleet)
    eventually(lambda: at_rest(fleet), 120, "all that starts has started")
    enough = int(0.88 * BOUND) - fleet.used
    with stress(fleet, enough):
        eventually(lambda: events(fleet, "pressure-suspend"), 60, "agents are suspended")
        eventually(lambda: status_of(fleet)["pressure"]["level"] == "warning", 60, "it helped")
        under = pids(fleet)
    levels = [event["data"]["level"] for event in events(fleet, "pressure")]
    suspends = events(fleet, "pressure-suspend")
    chosen = [one for event in suspends for one in event["data"]["chosen"]]
    assert "critical" in levels
    assert {one["unit"] for one in chosen} <= set(LOW)
    assert all(one["outcome"] == "ended" and one["memory"] > HOARD * MIB for one in chosen)
    assert (
        "heard critical suspend" in (fleet.state / "logs" / f"{chosen[0]['unit']}.log").read_text()
    )
    spared = [name for name in before if name not in LOW]
    assert set(OTHERS) < set(spared)
    assert {name: under[name] for name in spared} == {name: before[name] for name in spared}

    eventually(lambda: status_of(fleet)["pressure"]["withheld"] == 0, 120, "all was given back")
    eventually(lambda: all(pids(fleet)[name] for name in LOW), 60, "all run again")
    assert events(fleet, "pressure-over")
    assert not events(fleet, "pressure-kill") and not events(fleet, "pressure-stuck")
    assert {name: pids(fleet)[name] for name in spared} == {name: before[name] for name in spared}
