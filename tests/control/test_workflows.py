"""Workflows by the API: listed, started, watched, answered."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from sutazai.control.settings import read_settings
from sutazai.fleet.places import Places
from sutazai.fleet.workflows import Workflow
from tests.control.conftest import small_fleet, write_state
from tests.control.peers import Body, FakeGateway
from tests.control.test_api import V1, get

STEPS = [
    {"name": "draft", "agent": "executor", "input": "${input}"},
    {"name": "sign", "approval": "Send ${steps.draft.output}?", "timeout": "1h"},
]


@pytest.fixture
def places(places: Places) -> Places:
    """A fleet with a workflow."""
    flow = Workflow.model_validate({"description": "A letter.", "steps": STEPS})
    fleet = small_fleet(workflows={"letter": flow})
    write_state(places, fleet, read_settings(places).config.ports.control)
    return places


async def test_a_workflow_is_listed_and_shown(api: httpx.AsyncClient) -> None:
    assert (await get(api, "/workflows"))["letter"]["description"] == "A letter."
    shown = await get(api, "/workflows/letter")
    assert [step["name"] for step in shown["steps"]] == ["draft", "sign"]
    assert Workflow.model_validate(shown).steps[1].timeout == 3600.0
    refused = await api.get(f"{V1}/workflows/leter")
    assert refused.status_code == 404 and "letter" in refused.text


async def test_a_run_is_watched_until_a_person_answers(
    api: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    async def executor(body: Body) -> Any:
        return body["input"]

    gateway.agents["executor"] = executor
    request = {"workflow": "letter", "input": "Dear all"}
    run = (await api.post(f"{V1}/runs", json=request)).json()
    url, seen = f"{V1}/runs/{run['id']}", list[str]()
    async with api.stream("GET", f"{url}/events") as response:
        async for line in response.aiter_lines():
            if '"waiting"' in line and not seen:
                seen.append(line)
                answer = {"approved": True, "comment": "go"}
                answered = await api.post(f"{url}/approvals/sign", json=answer)
                assert answered.status_code == 200, answered.text
    done = await get(api, f"/runs/{run['id']}")
    assert done["state"] == "done", done
    assert done["input"] == "Dear all"
    assert "Send Dear all?" in seen[0]
    assert done["steps"][1]["decision"]["comment"] == "go"
    late = await api.post(f"{url}/approvals/sign", json={"approved": False})
    assert late.status_code == 409


@pytest.mark.parametrize(
    ("request_", "status", "word"),
    [
        ({"workflow": "none"}, 404, "no workflow 'none'"),
        ({"workflow": "letter", "goal": "g"}, 400, "takes `input`"),
        ({"goal": "g", "input": 1}, 400, "no input"),
    ],
)
async def test_what_cannot_be_run_is_refused(
    api: httpx.AsyncClient, request_: dict[str, Any], status: int, word: str
) -> None:
    refused = await api.post(f"{V1}/runs", json=request_)
    assert (refused.status_code, word in refused.text) == (status, True), refused.text
