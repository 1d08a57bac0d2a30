"""Fleets that end-to-end tests share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.faults import Model
from tests.e2e.fleet import Fleet, running

TEST_WITHIN = 400.0
"""Seconds for one test of a whole fleet, where the test itself does not say."""
SMALL = """
name: small
catalogue: [planner]
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
  executor: {class: "echo_agent:Brief", temperature: warm}
  reviewer: {class: "echo_agent:Brief", temperature: warm}
drift:
  code: {every: 1s}
"""

ECHO_AGENT = """
import asyncio, os, sys, time
from sutazai.agent import Agent

class Echo(Agent):
    async def run(self, task):
        print("echo was asked", flush=True)
        self.metrics.counter("echoes").add()
        return {"echo": task.input, "pid": os.getpid()}

class Brief(Agent):  # does what it is asked as those of the catalogue do, in few words
    async def run(self, task):
        question = {"role": "user", "content": str(task.input)}
        return (await self.llm.chat([question], max_tokens=32)).text

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


@pytest.fixture(scope="package")
def steady_model() -> Iterator[Model]:
    """A model server that nobody kills, for fleets to which it does not matter what it says."""
    model = Model()
    yield model
    model.kill()


@contextmanager
def small(folder: Path) -> Iterator[Fleet]:
    """Six agents, an embedded LLM, and an agent that makes trouble on request."""
    (folder / "fleet.yaml").write_text(SMALL)
    (folder / "echo_agent.py").write_text(ECHO_AGENT)
    with running(folder / "fleet.yaml") as fleet:
        yield fleet


@pytest.fixture(scope="package")
def small_fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One for all who leave it whole."""
    with small(tmp_path_factory.mktemp("small")) as fleet:
        yield fleet


@pytest.fixture(scope="package")
def hurt_fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One for those who kill its parts, and wait until they are back."""
    with small(tmp_path_factory.mktemp("hurt")) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def default_fleet() -> Iterator[Fleet]:
    """The 69 agents that `make up` starts."""
    with running() as fleet:
        yield fleet
