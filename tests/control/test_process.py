"""Control as a process: killed in the middle of a run, and asked to end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest

from sutazai.control.settings import read_settings
from sutazai.fleet.places import Places
from tests.control.conftest import TOKEN, eventually
from tests.control.peers import Body, FakeGateway, FakeHost, FakeKeeper

pytestmark = pytest.mark.timeout(300)  # processes start again and again


@pytest.fixture
def keeper(places: Places) -> Iterator[FakeKeeper]:
    keeper = FakeKeeper(places.keeper_socket, read_settings(places).config.ports.control)
    yield keeper
    keeper.close()


@asynccontextmanager
async def control_process(places: Places) -> AsyncIterator[asyncio.subprocess.Process]:
    log = (places.state / "control.log").open("ab")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sutazai.control", str(places.state), stdout=log, stderr=log
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        log.close()


@asynccontextmanager
async def client_of(places: Places) -> AsyncIterator[httpx.AsyncClient]:
    ports = read_settings(places).config.ports
    headers = {"authorization": f"Bearer {TOKEN}"}
    url = ports.url(ports.control) + "/api/v1"
    # The keeper's socket takes connections before control does, so a request only waits.
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
        yield client


def plan(count: int) -> str:
    return json.dumps({"items": [{"title": f"Part {n}", "detail": ""} for n in range(count)]})


async def test_a_run_survives_kill_9_and_each_step_is_recorded_once(
    places: Places, host: FakeHost, gateway: FakeGateway, keeper: FakeKeeper
) -> None:
    stuck = asyncio.Event()

    async def planner(body: Body) -> str:
        return plan(4)

    async def stuck_executor(body: Body) -> str:
        if body["task"].endswith("execute-03"):
            stuck.set()
            await asyncio.sleep(60)
        return f"Product of {body['task']}."

    async def reviewer(body: Body) -> str:
        return "All good."

    gateway.agents.update(planner=planner, executor=stuck_executor, reviewer=reviewer)
    backlog = [f"thing {n}" for n in range(4)]
    async with control_process(places) as process, client_of(places) as api:
        run = (await api.post("/runs", json={"backlog": backlog})).json()
        async with asyncio.timeout(60):
            await stuck.wait()
            while sum(s["state"] == "done" for s in run["steps"]) < 4:  # all but the stuck one
                run = (await api.get(f"/runs/{run['id']}")).json()
                await asyncio.sleep(0.02)
        process.kill()
        await process.wait()

    async def executor(body: Body) -> str:
        return f"Product of {body['task']}."

    gateway.agents["executor"] = executor
    async with control_process(places) as process, client_of(places) as api:
        async with asyncio.timeout(60):
            while run["state"] not in ("done", "failed"):
                run = (await api.get(f"/runs/{run['id']}")).json()
                await asyncio.sleep(0.05)
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 60) == 0

    assert run["state"] == "done", run
    calls = [body["task"].rpartition("/")[2] for _, body in gateway.calls]
    assert sorted(calls) == [
        "execute-01",
        "execute-02",
        "execute-03",
        "execute-03",  # in flight when control was killed
        "execute-04",
        "plan",
        "review",
    ]
    names = [artifact["name"] for artifact in run["artifacts"]]
    assert len(names) == len(set(names)) == 6
    assert {step["name"]: step["attempts"] for step in run["steps"]} == {
        "plan": 1,
        "execute-01": 1,
        "execute-02": 1,
        "execute-03": 2,
        "execute-04": 1,
        "review": 1,
    }
    assert all(desired == host.pushed[0] for desired in host.pushed)


async def test_a_task_in_flight_is_resumed_by_the_next_process(
    places: Places, host: FakeHost, gateway: FakeGateway, keeper: FakeKeeper
) -> None:
    asked = asyncio.Event()

    async def slow(body: Body) -> str:
        asked.set()
        await asyncio.sleep(60)
        return ""

    async def quick(body: Body) -> str:
        return "answer"

    gateway.agents["planner"] = slow
    async with control_process(places) as process, client_of(places) as api:
        task = (await api.post("/tasks", json={"agent": "planner", "input": "q"})).json()
        await asyncio.wait_for(asked.wait(), 60)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 60) == 0
    gateway.agents["planner"] = quick
    async with control_process(places), client_of(places) as api:
        async with asyncio.timeout(60):
            while task["state"] != "done":
                task = (await api.get(f"/tasks/{task['id']}")).json()
                await asyncio.sleep(0.05)
    assert task["output"] == "answer"


async def test_without_a_keeper_control_says_so_and_ends(places: Places) -> None:
    async with control_process(places) as process:
        assert await asyncio.wait_for(process.wait(), 60) == 6
    assert "the keeper is not there" in (places.state / "control.log").read_text()


async def test_control_at_rest_is_small(
    places: Places, host: FakeHost, gateway: FakeGateway, keeper: FakeKeeper
) -> None:
    async with control_process(places) as process:
        await eventually(lambda: host.pushed and gateway.pushed)
        with open(f"/proc/{process.pid}/smaps_rollup") as file:
            pss = next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        process.terminate()
        await asyncio.wait_for(process.wait(), 60)
    assert pss / 1024 < 180, f"{pss / 1024:.0f} MiB of PSS, process {os.getpid()}"
