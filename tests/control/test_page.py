"""The page of one agent: facts of control, host and gateway together."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from sutazai.fleet.places import Places
from sutazai.fleet.work import TaskRequest
from sutazai.wire import Request, Response, Router, json_response
from tests.control.conftest import TOKEN, eventually, running_control
from tests.control.peers import FakeGateway, FakeHost

V1 = "/api/v1"


class RecordingGateway(FakeGateway):
    """Also tells of calls that were made."""

    def router(self) -> Router:
        router = super().router()
        router.add("GET", "/calls", self._recorded)
        return router

    async def _recorded(self, request: Request) -> Response:
        return json_response([{"caller": request.query["agent"], "limit": request.query["limit"]}])


@pytest.fixture
async def gateway(places: Places) -> AsyncIterator[RecordingGateway]:
    gateway = RecordingGateway(places.gateway_socket)
    await gateway.start()
    yield gateway
    await gateway.stop()


async def test_a_page_has_why_and_what_happened_last(
    api: httpx.AsyncClient, host: FakeHost
) -> None:
    host.tell("planner-1 started")
    page = (await api.get(f"{V1}/agents/planner")).json()

    assert page["why"].endswith("and its last health check was good")
    assert (page["revision"], page["spec"]["prompt"]) == (1, "Plan.")
    assert page["log"] == ["last 10 lines"]
    assert page["calls"] == [{"caller": "planner", "limit": "5"}]
    assert page["problems"] == []


async def test_a_page_comes_without_what_cannot_be_had(
    api: httpx.AsyncClient, host: FakeHost, gateway: FakeGateway
) -> None:
    await api.get(f"{V1}/status")
    await host.stop()
    await gateway.stop()
    page = (await api.get(f"{V1}/agents/planner")).json()

    assert page["status"]["name"] == "planner"
    assert (page["log"], page["calls"]) == ([], [])
    assert [problem.partition(":")[0] for problem in page["problems"]] == [
        "its log cannot be shown",
        "its calls to models cannot be shown",
    ]


async def test_an_unknown_name_suggests_a_near_one(api: httpx.AsyncClient) -> None:
    near = (await api.get(f"{V1}/agents/plannr")).json()["error"]
    far = (await api.get(f"{V1}/agents/xyzzy")).json()["error"]

    assert near["hint"] == "did you mean `planner`?\nsutazai agents list"
    assert far["hint"] == "sutazai agents list"


async def test_open_tasks_are_counted_by_agent(
    places: Places, host: FakeHost, gateway: FakeGateway
) -> None:
    async def think(body: object) -> str:
        await eventually(lambda: None, 60)
        return ""

    gateway.agents["planner"] = think
    async with running_control(places) as (parts, url):
        await eventually(lambda: host.pushed and gateway.pushed)
        for number in range(2):
            await parts.work.task_desk.submit(TaskRequest(agent="planner", input=number))
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
            assert (await client.get(f"{V1}/tasks/open")).json() == {"planner": 2}
