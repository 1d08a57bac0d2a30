"""Fleets that end-to-end tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.fleet import Fleet

TEST_WITHIN = 400.0
"""Seconds for one test of a whole fleet, where the test itself does not say."""
SMALL = """
name: small
catalogue: [planner, executor, reviewer]
agents:
  echo:
    class: "echo_agent:Echo"
    temperature: hot
  sleepy:
    class: "echo_agent:Echo"
    temperature: warm
  trouble:
    class: "echo_agent:Trouble"
    temperature: hot
  planner:
    sampling: {max_tokens: 24}
"""

ECHO_AGENT = """
import asyncio, os, sys, time
from sutazai.agent import Agent

class Echo(Agent):
    async def run(self, task):
        print("echo was asked", flush=True)
        return {"echo": task.input, "pid": os.getpid()}

class Trouble(Agent):
    async def run(self, task):
        print("about to", task.input)
        if task.input == "raise":
            raise RuntimeError("this agent is made to fail")
        if task.input == "exit":
            os._exit(17)
        if task.input == "hang":
            await asyncio.sleep(3600)
        return "fine"
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test of a fleet also waits until it is up, and the last until it is down."""
    for item in items:
        if Path(__file__).parent in item.path.parents and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(TEST_WITHIN))


@pytest.fixture(scope="module")
def small_fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Six agents, an embedded LLM, and an agent that makes trouble on request."""
    folder: Path = tmp_path_factory.mktemp("small")
    (folder / "fleet.yaml").write_text(SMALL)
    (folder / "echo_agent.py").write_text(ECHO_AGENT)
    fleet = Fleet(folder / "fleet.yaml")
    try:
        done = fleet.up()
        assert done.returncode == 0, done.stdout + done.stderr
        yield fleet
    finally:
        fleet.stop()


@pytest.fixture(scope="module")
def default_fleet() -> Iterator[Fleet]:
    """The 69 agents that `make up` starts."""
    fleet = Fleet()
    try:
        done = fleet.up()
        assert done.returncode == 0, done.stdout + done.stderr
        yield fleet
    finally:
        fleet.stop()
