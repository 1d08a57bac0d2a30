"""A fleet that nobody asks for anything moves to another version by the work that is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sutazai.fleet.rollouts import Step
from tests.e2e.faults import Model
from tests.e2e.fleet import Fleet, eventually
from tests.e2e.rolling import GOOD, SWIFT, Rolling, rolling

pytestmark = [pytest.mark.timeout(600), pytest.mark.soak]

AGENTS = ("agent-0", "agent-1")
RECORDED = 150
"""Tasks of each agent that have ended: a version that finishes half of them is found after few."""
REPLAYS = {
    **SWIFT,
    "phases": [{"percent": 100, "for": "9s"}],
    "no_traffic": "replay",
    "extension": "2m",
}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rolling]:
    """Two agents that have done some work."""
    model = Model()
    model.script(tokens=["word "] * 4)
    agent: dict[str, Any] = {
        "class": "versions:Versioned",
        "temperature": "hot",
        "memory": "64MiB",
        "cpu": 0.01,
        "replayable": True,
    }
    try:
        folder = tmp_path_factory.mktemp("replays")
        with rolling(folder, model.url, dict.fromkeys(AGENTS, agent)) as found:
            work(found.fleet)
            yield found
    finally:
        model.kill()


def work(fleet: Fleet) -> None:
    """Tasks with inputs of their own, to their ends."""
    tasks = [
        {"agent": agent, "input": f"{agent}/{number}"}
        for agent in AGENTS
        for number in range(RECORDED)
    ]
    assert asked(fleet, "POST", "/batch", json={"tasks": tasks})
    eventually(lambda: done(fleet) == len(tasks), 240, "all tasks are done")


def done(fleet: Fleet) -> int:
    return len(asked(fleet, "GET", "", params={"state": "done", "limit": 1000}))


def asked(fleet: Fleet, method: str, path: str, **more: Any) -> Any:
    """Control's answer about tasks."""
    headers = {"authorization": f"Bearer {fleet.token}"}
    url = f"{fleet.control}/api/v1/tasks{path}"
    answer = httpx.request(method, url, headers=headers, timeout=60, **more)
    assert answer.is_success, answer.text
    return answer.json()


def test_a_version_that_finishes_half_of_its_work_goes_back(fleet: Rolling) -> None:
    fleet.apply("hasty", rollout=REPLAYS)
    state = fleet.end(within=300)
    assert state.step is Step.ROLLED_BACK, state.reason
    assert "finished" in state.failed or "failed tasks" in state.failed
    assert fleet.version == GOOD


def test_a_good_version_is_taken(fleet: Rolling) -> None:
    fleet.apply("better", rollout=REPLAYS)
    state = fleet.end(within=400)
    assert state.step is Step.SUCCEEDED, state.reason
    assert done(fleet.fleet) == len(AGENTS) * RECORDED, "nobody sees a task of it"
