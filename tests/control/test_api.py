"""What faces can ask control for."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from sutazai.fleet.errors import AgentFailed
from sutazai.fleet.status import FleetStatus
from tests.control.conftest import eventually, running_control
from tests.control.peers import Body, FakeGateway, FakeHost

V1 = "/api/v1"


async def get(api: httpx.AsyncClient, path: str) -> Any:
    answer = await api.get(V1 + path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def sse(response: httpx.Response) -> list[tuple[str, Any]]:
    """The events of a stream until it ends."""
    events, name = [], ""
    async for line in response.aiter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            events.append((name, json.loads(line.removeprefix("data: "))))
    return events


async def echo(body: Body) -> Any:
    return body["input"]


def staff(gateway: FakeGateway) -> None:
    async def planner(body: Body) -> str:
        return json.dumps({"items": [{"title": f"Part {n}", "detail": ""} for n in (1, 2)]})

    async def worker(body: Body) -> str:
        return "Done."

    gateway.agents.update(planner=planner, executor=worker, reviewer=worker)


async def test_the_status_is_put_together_from_both_peers(
    api: httpx.AsyncClient, host: FakeHost
) -> None:
    host.states = {"executor": "failed"}
    status = FleetStatus.model_validate(await get(api, "/status?memory=1"))
    assert (status.fleet, status.revision, status.started) == ("small", 1, 1000.0)
    assert [agent.name for agent in status.agents] == ["planner", "executor", "reviewer"]
    planner = status.agents[0]
    assert (planner.port, planner.tier, planner.rank, planner.pss) == (
        10460,
        "standard",
        "worker",
        1024,
    )
    assert [unit.name for unit in status.planes] == ["llm"]
    hot = status.pools[planner.temperature]
    assert (hot.declared, hot.healthy, hot.instances, hot.pss) == (2, 1, 2, 2048)
    assert (status.llm.source, status.llm.models, status.llm.queued) == ("embedded", ("smol",), 3)
    assert status.problems == (
        "executor is failed: no reason is known",
        "a door could not be opened",
    )


async def test_peers_that_are_down_are_problems_and_not_errors(
    api: httpx.AsyncClient, host: FakeHost, gateway: FakeGateway
) -> None:
    await get(api, "/status")
    await host.stop()
    await gateway.stop()
    status = FleetStatus.model_validate(await get(api, "/status"))
    assert len(status.agents) == 3
    assert not status.llm.healthy
    assert [problem.split(":")[0] for problem in status.problems] == [
        "the host does not answer",
        "the gateway does not answer",
    ]


async def test_the_fleet_its_agents_and_models_can_be_read(api: httpx.AsyncClient) -> None:
    fleet = await get(api, "/fleet")
    assert fleet["number"] == 1 and fleet["spec"]["agents"]["planner"]["prompt"] == "Plan."
    assert [agent["name"] for agent in await get(api, "/agents")] == [
        "planner",
        "executor",
        "reviewer",
    ]
    assert (await get(api, "/agents/planner"))["spec"]["prompt"] == "Plan."
    assert await get(api, "/models") == [{"name": "smol", "tier": False, "backends": ["embedded"]}]
    assert "/api/v1/runs/{run_id}/events" in (await get(api, "/openapi.json"))["paths"]


async def test_a_stopped_agent_stays_stopped_until_it_is_started(
    api: httpx.AsyncClient, host: FakeHost
) -> None:
    version = host.pushed[-1].units[-1].version
    for verb, stopped in (("stop", True), ("restart", False), ("stop", True), ("start", False)):
        answer = await api.post(f"{V1}/agents/reviewer/{verb}")
        assert answer.status_code == 200 and answer.json()["name"] == "reviewer"
        unit = next(unit for unit in host.pushed[-1].units if unit.name == "reviewer")
        assert (unit.stopped, unit.version) == (stopped, version)
    assert [verb for _, verb in host.changes] == ["stop", "restart", "stop", "start"]
    events = (await get(api, "/agents/reviewer"))["events"]
    assert [event["message"] for event in events][-1] == "started by request"


async def test_a_log_is_handed_through_and_can_be_followed(api: httpx.AsyncClient) -> None:
    answer = await api.get(f"{V1}/agents/planner/log?lines=7")
    assert answer.text == "last 7 lines\n"
    assert answer.headers["content-type"].startswith("text/plain")
    async with api.stream("GET", f"{V1}/agents/planner/log?lines=3&follow=1") as stream:
        assert await anext(stream.aiter_text()) == "last 3 lines\n"


async def test_an_agent_is_asked_and_its_answer_or_error_comes_back(
    api: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    gateway.agents["planner"] = echo
    answer = await api.post(f"{V1}/agents/planner/invoke", json={"input": {"a": 1}})
    assert answer.json()["output"] == {"a": 1}
    assert gateway.calls[-1] == ("planner", {"input": {"a": 1}, "deadline": 300.0})


async def test_what_an_invocation_is_for_goes_to_the_gateway(
    api: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    gateway.agents["planner"] = echo
    asked = {"input": 1, "task": "t", "priority": "low", "deadline": 2}
    assert (await api.post(f"{V1}/agents/planner/invoke", json=asked)).status_code == 200
    told = {name: value for name, value in gateway.headers[-1] if name.startswith("x-sutazai")}
    assert told == {
        "x-sutazai-task": "t",
        "x-sutazai-priority": "low",
        "x-sutazai-deadline": "2.000",
    }


async def test_an_answer_is_streamed_to_who_accepts_that(api: httpx.AsyncClient) -> None:
    headers = {"accept": "text/event-stream"}
    path = f"{V1}/agents/planner/invoke"
    async with api.stream("POST", path, json={"input": "x"}, headers=headers) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        events = await sse(stream)
    assert [name for name, _ in events] == ["token", "token", "result"]
    assert events[-1][1]["output"] == "one two"


async def test_who_asks_and_leaves_takes_the_call_along(
    api: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    async def think(body: Body) -> str:
        await asyncio.sleep(60)
        return ""

    gateway.agents["planner"] = think
    asking = asyncio.create_task(api.post(f"{V1}/agents/planner/invoke", json={"input": 1}))
    await eventually(lambda: gateway.calls)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await eventually(lambda: gateway.left == ["planner"])


async def test_a_task_goes_its_way_over_the_api(
    api: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    gateway.agents["planner"] = echo
    request = {"agent": "planner", "input": "hello", "idempotency_key": "k"}
    task = (await api.post(f"{V1}/tasks", json=request)).json()
    assert (await api.post(f"{V1}/tasks", json=request)).json()["id"] == task["id"]
    async with asyncio.timeout(60):
        while (found := await get(api, f"/tasks/{task['id']}"))["state"] != "done":
            await asyncio.sleep(0.02)
    assert found["output"] == "hello"
    assert [one["id"] for one in await get(api, "/tasks?state=done&agent=planner")] == [task["id"]]
    answer = await api.post(f"{V1}/tasks/{task['id']}/cancel")
    assert answer.status_code == 409


async def test_dead_letters_are_seen_replayed_and_dropped_over_the_api(
    api: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    async def refuse(body: Body) -> Any:
        raise AgentFailed("it cannot")

    gateway.agents["planner"] = refuse
    batch = {"tasks": [{"agent": "planner", "input": number} for number in range(3)]}
    given = (await api.post(f"{V1}/tasks/batch", json=batch)).json()
    for task in given:
        assert (await get(api, f"/tasks/{task['id']}?wait=60"))["state"] == "failed"
    dead = await get(api, "/dead?agent=planner&kind=AgentFailed")
    assert {one["id"] for one in dead} == {one["id"] for one in given}
    assert (await get(api, f"/dead/{given[0]['id']}"))["attempts"][0]["error"]["message"]
    events = [event["kind"] for event in await get(api, "/events")]
    assert events.count("task-failed") == 3

    gateway.agents["planner"] = echo
    assert (await api.delete(f"{V1}/dead/{given[0]['id']}")).json() == {"dropped": 1}
    one = (await api.post(f"{V1}/dead/{given[1]['id']}/replay")).json()
    assert one["id"] == given[1]["id"]
    assert (await api.post(f"{V1}/dead/replay?kind=failed")).json() == [given[2]["id"]]
    for task in given[1:]:
        assert (await get(api, f"/tasks/{task['id']}?wait=60"))["state"] == "done"
    assert (await api.delete(f"{V1}/dead")).json() == {"dropped": 0}
    cancelled = {"agent": "planner", "input": 1, "delay": 60}
    late = (await api.post(f"{V1}/tasks", json=cancelled)).json()
    await api.post(f"{V1}/tasks/{late['id']}/cancel")
    retried = (await api.post(f"{V1}/tasks/{late['id']}/retry")).json()
    assert retried["state"] == "pending"


async def test_a_run_is_watched_to_its_end_and_its_files_are_fetched(
    api: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    staff(gateway)
    answer = await api.post(f"{V1}/runs", json={"goal": "g", "backlog": ["one thing", "another"]})
    run = answer.json()
    async with api.stream("GET", f"{V1}/runs/{run['id']}/events") as stream:
        events = await sse(stream)  # ends with the run
    assert {name for name, _ in events} == {"run"}
    ended = events[-1][1]
    assert ended["state"] == "done" and ended == await get(api, f"/runs/{run['id']}")
    assert [one["id"] for one in await get(api, "/runs")] == [run["id"]]
    for artifact in ended["artifacts"]:
        path = f"{V1}/runs/{run['id']}/artifacts/{artifact['name']}"
        assert len((await api.get(path)).content) == artifact["size"]
    for name in ("nothing.md", "..%2F..%2Ftoken", "../../../token"):
        answer = await api.get(f"{V1}/runs/{run['id']}/artifacts/{name}")
        assert answer.status_code == 404
    async with asyncio.timeout(60):
        while f"run {run['id']} done" not in [e["message"] for e in await get(api, "/events")]:
            await asyncio.sleep(0.02)


async def test_a_run_needs_its_three_agents(api: httpx.AsyncClient, gateway: FakeGateway) -> None:
    async def wait(body: Body) -> str:
        await asyncio.sleep(60)
        return ""

    gateway.agents["planner"] = wait
    run = (await api.post(f"{V1}/runs", json={"goal": "g"})).json()
    cancelled = (await api.post(f"{V1}/runs/{run['id']}/cancel")).json()
    assert cancelled["state"] == "cancelled"
    async with api.stream("GET", f"{V1}/runs/{run['id']}/events") as stream:
        assert len(await sse(stream)) == 1


async def test_events_of_the_host_are_told_in_one_order_with_our_own(
    api: httpx.AsyncClient, host: FakeHost
) -> None:
    host.tell("planner started")
    async with asyncio.timeout(60):
        while "planner started" not in [e["message"] for e in await get(api, "/events")]:
            await asyncio.sleep(0.02)
    events = await get(api, "/events")
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert (await get(api, f"/events?after={len(events) - 1}"))[:1] == events[-1:]
    async with api.stream("GET", f"{V1}/events?after=0&follow=1") as stream:
        lines = stream.aiter_lines()
        host.tell("planner stopped")
        async with asyncio.timeout(60):
            while "planner stopped" not in await anext(lines):
                pass


async def test_streams_end_when_control_stops(
    places: Any, host: FakeHost, gateway: FakeGateway
) -> None:
    headers = {"authorization": "Bearer the-admin-token"}
    async with asyncio.timeout(60):
        async with running_control(places) as (parts, url):
            client = httpx.AsyncClient(base_url=url, headers=headers, timeout=60)
            event_stream = await client.send(
                client.build_request("GET", f"{V1}/events?follow=1"), stream=True
            )
            log = client.build_request("GET", f"{V1}/agents/planner/log?follow=1")
            log_stream = await client.send(log, stream=True)
            parts.stopping.set()
            await event_stream.aread()
            with pytest.raises(httpx.RemoteProtocolError):
                await log_stream.aread()
            await client.aclose()
