"""A fleet under load is lost and restored: finished work is there, the rest goes on."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.faults import Model
from tests.e2e.fleet import Fleet, eventually, running

FILE = """
name: shop
backends: {{fake: {{url: "{model}"}}}}
agents:
  clerk: {{class: "clerk_agent:Clerk", temperature: hot, concurrency: 1}}
"""

CLERK = """
import asyncio, os
from sutazai.agent import Agent

class Clerk(Agent):
    async def run(self, task):
        with open(os.environ["SUTAZAI_HOME"] + "/ledger", "a") as ledger:
            ledger.write(f"{task.input}\\n")
        await asyncio.sleep(0.25)
        return f"sold {task.input}"
"""
MANY = 40
"""Tasks that are given at once; the agent does four a second at most."""


@pytest.fixture
def fleet(tmp_path: Path, steady_model: Model) -> Iterator[Fleet]:
    (tmp_path / "fleet.yaml").write_text(FILE.format(model=steady_model.url))
    (tmp_path / "clerk_agent.py").write_text(CLERK)
    with running(tmp_path / "fleet.yaml") as fleet:
        yield fleet


class Customers:
    """Give many tasks at once, and then one after the other until they are told to leave."""

    def __init__(self, client: httpx.Client) -> None:
        self.accepted: list[str] = []
        self._client = client
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._give, name="customers")
        self._thread.start()

    def leave(self) -> None:
        self._leaving.set()
        self._thread.join()

    def _give(self) -> None:
        while not self._leaving.wait(0.0 if len(self.accepted) < MANY else 0.25):
            task = {"agent": "clerk", "input": f"item {len(self.accepted)}", "ttl": None}
            answer = self._client.post("/tasks", json=task)
            assert answer.status_code == 200, answer.text
            self.accepted.append(answer.json()["id"])


@pytest.fixture
def client(fleet: Fleet) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {fleet.token}"}
    with httpx.Client(base_url=f"{fleet.control}/api/v1", headers=headers, timeout=90) as client:
        yield client


def done(client: httpx.Client) -> dict[str, dict[str, Any]]:
    return {key: task for key, task in tasks(client).items() if task["state"] == "done"}


def tasks(client: httpx.Client) -> dict[str, dict[str, Any]]:
    return {task["id"]: task for task in client.get("/tasks?limit=1000").json()}


@pytest.mark.timeout(300)
def test_a_lost_fleet_goes_on_where_its_checkpoint_was_made(
    fleet: Fleet, client: httpx.Client, tmp_path: Path
) -> None:
    safe, customers = str(tmp_path / "safe"), Customers(client)
    try:
        eventually(lambda: len(customers.accepted) >= MANY and len(done(client)) > 3, 60)
        finished, given = done(client), list(customers.accepted)
        assert len(given) > len(finished), "there is work under way"
        made = json.loads(fleet.must("checkpoint", "create", "--to", safe, "--json"))
        assert len(customers.accepted) > len(given), "work went on meanwhile"
    finally:
        customers.leave()
    name, token = made["name"], fleet.token
    assert f"{name} is good" in fleet.must("checkpoint", "verify", name, "--from", safe)
    refused = fleet.cli("checkpoint", "restore", name, "--from", safe)
    assert refused.returncode == 3
    assert "sutazai down" in refused.stderr

    fleet.must("down")
    shutil.rmtree(fleet.state)
    restored = json.loads(
        fleet.must("checkpoint", "restore", name, "--from", safe, "--start", "--json", timeout=200)
    )

    assert [test["passed"] for test in restored["start"]["tests"]] == [True, True, True], restored
    print(f"restored, started and tested in {restored['start']['seconds']} s")
    after = tasks(client)
    assert set(given) <= set(after), "what was accepted before is there"
    assert {key: after[key] for key in finished} == finished, "what was finished is as it was"
    eventually(lambda: all(task["ended"] for task in tasks(client).values()), 100, "work goes on")
    assert {task["reason"] for task in tasks(client).values()} == {""}
    assert {task["output"] for task in done(client).values()} == {
        f"sold item {number}" for number in range(len(after))
    }
    assert fleet.token == token
    assert "item 0\n" in (fleet.state / "homes" / "clerk" / "ledger").read_text()
    assert [one["number"] for one in json.loads(fleet.must("history", "--json"))] == [1]
