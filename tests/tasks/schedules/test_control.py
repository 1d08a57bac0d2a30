"""Schedules of a fleet file in a control that runs: over the API, over restarts, in its events."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from sutazai.cli.schedules_view import schedule_view, schedules_table
from sutazai.control.app import open_control
from sutazai.control.serving import serve
from sutazai.control.settings import read_settings
from sutazai.fleet.places import Places
from sutazai.fleet.scheduling import Schedule, ScheduledTask, ScheduleStatus
from sutazai.store import Schedules
from tests.control.conftest import (
    TOKEN,
    gateway,
    host,
    places,
    small_fleet,
    write_state,
)
from tests.control.peers import Body, FakeGateway, FakeHost
from tests.ports import free_port
from tests.tasks.schedules.conftest import HOUR, START, Clock

__all__ = ["gateway", "host", "places"]


async def echo(body: Body) -> Any:
    return body["input"]


@pytest.fixture
def scheduled(places: Places, host: FakeHost, gateway: FakeGateway) -> Places:
    """A fleet with two schedules, and an agent that does what they ask."""
    gateway.agents["planner"] = echo
    task = ScheduledTask(agent="planner", input="look around")
    hourly = Schedule(cron="0 * * * *", timezone="Europe/Berlin", task=task)
    off = hourly.model_copy(update={"enabled": False})
    write_state(places, small_fleet(schedules={"look": hourly, "off": off}), free_port())
    return places


@asynccontextmanager
async def control(places: Places, clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    """A control that goes by ``clock``, and a client of it."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1"
    async with open_control(read_settings(places), clock=clock) as parts:
        serving = asyncio.create_task(serve(parts, listener), name="control")
        await begun(Schedules(parts.work.database))
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
            try:
                yield client
            finally:
                parts.stopping.set()
                await asyncio.wait_for(serving, 60)


async def begun(store: Schedules) -> None:
    """Waits for the first look, from which on times count."""
    async with asyncio.timeout(60):
        while not (await store.get("look")).rule:
            await asyncio.sleep(0.02)


async def until(client: httpx.AsyncClient, path: str, count: int) -> list[dict[str, Any]]:
    """What is listed at a path, once there are so many that have ended."""
    async with asyncio.timeout(60):
        while True:
            found: list[dict[str, Any]] = (await client.get(path)).json()
            if len(found) == count and all(each.get("ended", True) for each in found):
                return found
            await asyncio.sleep(0.02)


async def settled(client: httpx.AsyncClient, words: str) -> dict[str, Any]:
    """The schedule once what came of it last has these words."""
    async with asyncio.timeout(60):
        while True:
            found: dict[str, Any] = (await client.get("/schedules/look")).json()
            if words in found["state"]["last"]:
                return found
            await asyncio.sleep(0.02)


async def test_schedules_over_a_restart(scheduled: Places) -> None:
    clock = Clock()
    async with control(scheduled, clock) as client:
        first = (await client.get("/schedules/look")).json()
        assert first["next"][:2] == [START + 0.5 * HOUR, START + 1.5 * HOUR]
        assert [each["name"] for each in (await client.get("/schedules")).json()] == ["look", "off"]
    clock.now += HOUR
    async with control(scheduled, clock) as client:  # a time was missed meanwhile
        (task,) = await until(client, "/tasks", 1)
        assert (task["output"], task["state"]) == ("look around", "done")
        state = (await settled(client, f"began {task['id']}"))["state"]
        assert state["fired"] == clock.now
    async with control(scheduled, clock) as client:
        assert (await settled(client, "began"))["state"] == {**state, "work": []}
        await until(client, "/tasks", 1)
        told = [each["kind"] for each in (await client.get("/events")).json()]
        assert told.count("schedule-fired") == 1


async def test_a_schedule_is_paused_resumed_and_run_by_hand(scheduled: Places) -> None:
    async with control(scheduled, Clock()) as client:
        assert (await client.post("/schedules/look/pause")).json()["state"]["paused"] == START
        assert (await client.get("/schedules/look")).json()["next"] == []
        begun = (await client.post("/schedules/off/run")).json()["work"]
        (task,) = await until(client, "/tasks", 1)
        assert task["id"] == begun
        assert (await client.post("/schedules/look/resume")).json()["state"]["paused"] is None
        missing = await client.post("/schedules/lok/pause")
        assert missing.status_code == 404
        assert "look" in missing.json()["error"]["hint"]
        kinds = [each["kind"] for each in (await client.get("/events")).json()]
        assert {"schedule-paused", "schedule-resumed", "schedule-fired"} <= {*kinds}


async def test_people_see_when_and_what(scheduled: Places) -> None:
    async with control(scheduled, Clock()) as client:
        found = (await client.get("/schedules")).json()
    look, off = (ScheduleStatus.model_validate(each) for each in found)
    shown = "\n".join(line.plain for line in schedule_view(look))
    assert "0 * * * * Europe/Berlin" in shown
    assert "begins a task for planner" in shown
    assert "next: Sat 2026-11-21 03:00:00, Sat 2026-11-21 04:00:00" in shown
    table = schedules_table([look, off])
    assert [*table.columns[3].cells][1] == "not enabled"
