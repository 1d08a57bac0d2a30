"""What agents ask of control: the calls of the old system, and tasks that they give."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from sutazai.fleet.places import Places
from sutazai.fleet.queueing import TaskQueue
from sutazai.fleet.serving import EmbeddedLlm
from sutazai.fleet.spec import Agent, Fleet, Rank, Runtime
from tests.control.conftest import TOKEN, eventually, running_control, write_state
from tests.control.peers import FakeGateway, FakeHost
from tests.ports import free_port

FROM = "/api/v1/from"


def teams() -> Fleet:
    old = {"runtime": Runtime.COMMAND, "command": ("old",), "pull": True}
    agents = {
        "lead": Agent(rank=Rank.LEAD),
        "other-lead": Agent(rank=Rank.LEAD),
        "old": Agent(lead="lead", capabilities=("code", "read"), **old),
        "stranger": Agent(lead="other-lead", capabilities=("code",), **old),
    }
    llm = EmbeddedLlm(detect_ollama=False)
    return Fleet(name="teams", agents=agents, llm=llm, tasks=TaskQueue(queue_per_giver=2))


@pytest.fixture
async def api(
    places: Places, host: FakeHost, gateway: FakeGateway
) -> AsyncIterator[httpx.AsyncClient]:
    write_state(places, teams(), free_port())
    async with running_control(places) as (_, url):
        await eventually(lambda: host.pushed and gateway.pushed)
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
            yield client


async def test_the_four_calls_have_the_statuses_of_old(api: httpx.AsyncClient) -> None:
    said = {"agent_name": "old", "agent_type": "coder", "capabilities": ["x"], "timestamp": "now"}
    assert (await api.post(f"{FROM}/old/register", json=said)).status_code == 200
    assert (await api.post(f"{FROM}/old/heartbeat", json=said)).status_code == 200
    (registered,) = (await api.get(FROM)).json()
    assert (registered["agent"], registered["said"]["agent_type"]) == ("old", "coder")
    none = await api.get(f"{FROM}/old/next/coder")
    assert (none.status_code, none.content) == (204, b"")

    await api.post("/api/v1/tasks", json={"agent": "old", "input": {"type": "code"}})
    found = await api.get(f"{FROM}/old/next/coder")
    assert (found.status_code, found.json()["type"]) == (200, "code")

    report = {"task_id": found.json()["id"], "status": "completed", "result": {"ok": True}}
    done = await api.post(f"{FROM}/old/complete", json=report)
    task = await api.get(f"/api/v1/tasks/{found.json()['task']}")
    assert (done.status_code, task.json()["output"]) == (200, {"ok": True})
    assert (await api.post(f"{FROM}/nobody/register", json={})).status_code == 404
    assert (await api.post(f"{FROM}/stranger/complete", json=report)).status_code == 409


async def test_agents_give_work_to_those_they_speak_with(api: httpx.AsyncClient) -> None:
    ask = {"agent": "old", "input": 1, "idempotency_key": "k"}
    first, again = [await api.post(f"{FROM}/lead/tasks", json=ask) for _ in range(2)]
    assert first.json()["id"] == again.json()["id"]
    theirs = await api.post("/api/v1/tasks", json={**ask, "input": 2})
    assert theirs.json()["id"] != first.json()["id"]  # an agent's keys are its own

    refused = await api.post(f"{FROM}/lead/tasks", json={"agent": "stranger", "input": 1})
    assert refused.status_code == 403
    assert refused.json()["error"]["message"] == "lead does not speak with stranger"
    read = await api.post(f"{FROM}/lead/tasks", json={"capability": "read", "input": 1})
    code = await api.post(f"{FROM}/lead/tasks", json={"capability": "code", "input": 1})
    assert (read.status_code, code.status_code) == (200, 403)
    file = await api.post(f"{FROM}/lead/tasks", json={"agent": "old", "file": "run/plan.md"})
    assert file.status_code == 403


async def test_what_one_agent_gives_is_bounded(api: httpx.AsyncClient) -> None:
    answers = [
        await api.post(f"{FROM}/lead/tasks", json={"agent": "old", "input": number})
        for number in range(3)
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    others = await api.post(f"{FROM}/old/tasks", json={"agent": "lead", "input": 1})
    assert others.status_code == 200
