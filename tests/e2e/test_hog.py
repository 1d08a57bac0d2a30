"""One agent of 150 takes all the memory that it can get: it alone dies of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.asking import Caller, agent_of, status_of
from tests.e2e.faults import Model
from tests.e2e.fleet import Fleet, eventually, running

AGENTS = [f"agent-{number:03}" for number in range(149)]
AUTHORED = """
import asyncio
from sutazai.agent import Agent

class Echo(Agent):
    async def run(self, task):
        return task.input

class Hog(Agent):
    async def run(self, task):
        hoard = []
        while True:
            hoard.append(bytearray(1024 * 1024))
            await asyncio.sleep(0.01)
"""
SMALL = {"temperature": "hot", "memory": "24MiB", "cpu": 0.01}


@pytest.fixture
def fleet(tmp_path: Path, steady_model: Model) -> Iterator[Fleet]:
    (tmp_path / "authored.py").write_text(AUTHORED)
    agents = {name: {**SMALL, "class": "authored:Echo"} for name in AGENTS}
    hog = {**SMALL, "class": "authored:Hog", "memory": "48MiB"}
    backends = {"fake": {"url": steady_model.url}}
    declared = {"name": "hog", "backends": backends, "agents": {**agents, "hog": hog}}
    (tmp_path / "fleet.yaml").write_text(json.dumps(declared))
    with running(tmp_path / "fleet.yaml") as fleet:
        yield fleet


def pids(status: dict[str, Any]) -> dict[str, list[int]]:
    return {one["name"]: [each["pid"] for each in one["instances"]] for one in status["agents"]}


@pytest.mark.timeout(300)
def test_it_alone_dies_at_its_limit_and_the_others_answer_throughout(fleet: Fleet) -> None:
    before = status_of(fleet)
    if before["limits"] == "accounting":
        pytest.skip(f"no limits are held here: {before['limits_why']}")
    caller = Caller(fleet)
    with caller.asking(AGENTS) as ledger:
        lost = caller.ask("hog", "take it all")
        hog = eventually(lambda: died(fleet), 60, "the hog's end is told")
        asked = len(ledger.sent)
        eventually(lambda: len(ledger.sent) > asked + len(AGENTS), 60, "all were asked since")

    assert (lost.status_code, lost.json()["error"]["code"]) == (502, "InstanceLost")
    assert hog["last_exit"]["reason"] == "out of memory: peak 48MiB of 48MiB"
    assert hog["last_exit"]["out_of_memory"] is True
    assert hog["last_exit"]["peak"] == hog["last_exit"]["limit"] == 48 * 1024**2
    assert not ledger.failed and not ledger.open
    assert set(ledger.answers) == set(AGENTS)
    after = pids(status_of(fleet))
    assert {name: after[name] for name in AGENTS} == {name: pids(before)[name] for name in AGENTS}


def died(fleet: Fleet) -> dict[str, Any] | None:
    hog = agent_of(fleet, "hog")
    return hog if hog["last_exit"] and hog["state"] == "healthy" else None
