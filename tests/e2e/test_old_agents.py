"""An agent of the old system runs unchanged: it registers, beats, fetches and completes."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.faults import Model
from tests.e2e.fleet import Fleet, eventually, running

PROGRAM = Path(__file__).with_name("programs") / "old_agent.py"
TASKS = 40

NEW_AGENT = """
from sutazai.agent import Agent, LegacyAgent

class Lead(Agent):
    async def run(self, task):
        return await self.submit({"number": 7}, agent=task.input)

class Old:
    def process_task(self, task):
        if task["input"] == "bad":
            return {"status": "error", "message": "it is bad"}
        return {"status": "success", "id": task["id"], "number": task["number"]}

class Wrapped(LegacyAgent):
    wraps = Old
"""


def old(**more: Any) -> dict[str, Any]:
    return {"runtime": "command", "command": [sys.executable, str(PROGRAM)], "pull": True, **more}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, steady_model: Model) -> Iterator[Fleet]:
    """Old agents among new ones; two of them are one's team."""
    folder = tmp_path_factory.mktemp("old")
    ours = {"temperature": "warm"}
    agents = {
        "old": old(lead="boss", capabilities=["code"]),
        "slow": old(lead="other"),
        "boss": {"class": "new_agent:Lead", "rank": "lead", **ours},
        "other": {"class": "new_agent:Lead", "rank": "lead", **ours},
        "wrapped": {"class": "new_agent:Wrapped", "lead": "boss", **ours},
    }
    (folder / "new_agent.py").write_text(NEW_AGENT)
    declared = {"name": "old", "backends": {"fake": {"url": steady_model.url}}, "agents": agents}
    (folder / "fleet.yaml").write_text(json.dumps(declared))
    with running(folder / "fleet.yaml") as fleet:
        yield fleet


@pytest.fixture
def control(fleet: Fleet) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {fleet.token}"}
    with httpx.Client(base_url=f"{fleet.control}/api/v1", headers=headers, timeout=90) as client:
        yield client


def task_when_ended(control: httpx.Client, task_id: str) -> dict[str, Any]:
    task: dict[str, Any] = control.get(f"/tasks/{task_id}", params={"wait": 60}).json()
    return task


def submit(control: httpx.Client, **request: Any) -> str:
    answer = control.post("/tasks", json=request)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def log(fleet: Fleet, name: str) -> str:
    return (fleet.state / "logs" / f"{name}.log").read_text()


def test_it_loses_no_task_when_it_is_killed_in_the_middle(
    fleet: Fleet, control: httpx.Client
) -> None:
    pid = fleet.agent("old")["instances"][0]["pid"]
    batch: list[dict[str, Any]] = [
        {"agent": "old", "input": {"number": number}} for number in range(TASKS)
    ]
    batch[10]["input"]["seconds"] = 3
    tasks = control.post("/tasks/batch", json={"tasks": batch}).json()
    middle = tasks[10]["id"]
    eventually(lambda: f"began {middle}.1" in log(fleet, "old"), 60, "it is in the middle")

    os.kill(pid, signal.SIGKILL)

    for number, task in enumerate(tasks):
        ended = task_when_ended(control, task["id"])
        assert ended["state"] == "done", ended
        assert ended["output"] == {"status": "success", "number": number}
    assert log(fleet, "old").count("| registered") == 2
    assert control.get(f"/tasks/{middle}").json()["attempt"] == 2


def test_a_capability_and_the_model_are_in_its_reach(fleet: Fleet, control: httpx.Client) -> None:
    task = submit(control, capability="code", input="think")
    ended = task_when_ended(control, task)
    assert (ended["state"], ended["agent"]) == ("done", "old"), ended
    assert ended["output"]["thought"]


def test_what_comes_after_its_lease_is_refused_and_the_task_is_done_by_another_attempt(
    fleet: Fleet, control: httpx.Client
) -> None:
    gate = fleet.folder / "gate"
    task = submit(control, agent="slow", input={"number": 1, "until": str(gate)}, deadline=3)
    eventually(lambda: f"began {task}.1" in log(fleet, "slow"), 60, "it works")
    eventually(
        lambda: control.get(f"/tasks/{task}").json()["state"] != "running", 60, "it is too late"
    )

    gate.touch()

    ended = task_when_ended(control, task)
    assert (ended["state"], ended["output"]["number"]) == ("done", 1), ended
    assert ended["attempts"][0]["error"]["code"] == "InstanceLost"
    eventually(lambda: f"completed {task}.1 False" in log(fleet, "slow"), 30, "it was told so")


def test_nobody_registers_without_a_key(fleet: Fleet) -> None:
    calls = httpx.post(f"{fleet.gateway}/api/agents/register", json={"agent_name": "old"})
    assert calls.status_code == 401
    wrong = httpx.get(f"{fleet.gateway}/key/wrong/api/tasks/next/old")
    assert wrong.status_code == 401
    assert httpx.get(f"{fleet.gateway}/health").status_code == 200


def test_an_agent_gives_work_along_the_hierarchy_only(fleet: Fleet, control: httpx.Client) -> None:
    given = task_when_ended(control, submit(control, agent="boss", input="old"))
    assert given["state"] == "done", given
    assert task_when_ended(control, given["output"])["output"]["number"] == 7

    refused = task_when_ended(control, submit(control, agent="boss", input="slow"))
    assert refused["error"]["code"] == "Refused", refused
    assert "boss does not speak with slow" in refused["error"]["message"]


def test_a_class_of_the_old_kind_runs_under_the_sdk(control: httpx.Client) -> None:
    well = task_when_ended(control, submit(control, agent="wrapped", input={"number": 3}))
    assert (well["state"], well["output"]["number"]) == ("done", 3), well
    bad = task_when_ended(control, submit(control, agent="wrapped", input="bad"))
    assert (bad["state"], bad["error"]["code"]) == ("failed", "AgentFailed"), bad
    assert "it is bad" in bad["error"]["message"]
