"""An agent hears that it is about to end for want of memory."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sutazai.agent import Agent, Pressure, TaskContext
from sutazai.agent.identity import Identity
from sutazai.agent.pressure import PRESSURE
from sutazai.agent.server import InstanceServer
from sutazai.fleet.errors import BadInput, NotFound
from sutazai.wire import Address, Client, Server

SUSPEND = {"level": "critical", "action": "suspend", "seconds": 2}


class Careful(Agent):
    heard: Pressure | None = None

    async def on_pressure(self, pressure: Pressure) -> None:
        type(self).heard = pressure

    async def run(self, task: TaskContext) -> Any:
        await asyncio.sleep(60)


class Slow(Agent):
    async def on_pressure(self, pressure: Pressure) -> None:
        await asyncio.sleep(60)


class Raising(Agent):
    async def on_pressure(self, pressure: Pressure) -> None:
        raise ValueError("no disk")


class Indifferent(Agent):
    pass


@asynccontextmanager
async def instance(kind: type[Agent]) -> AsyncIterator[tuple[Client, Address]]:
    with tempfile.TemporaryDirectory(prefix="sz-") as folder:
        path = Path(folder) / "instance"
        async with Client() as client:
            server = Server(InstanceServer(kind(_identity(), client)).handler)
            await server.listen_unix(path, "instance")
            try:
                yield client, Address.parse(f"unix:{path}")
            finally:
                await server.close(grace=0.2)


async def tell(client: Client, address: Address, body: Any) -> Any:
    headers = [(PRESSURE, "1")]
    return await client.call("POST", address, "/pressure", body, headers=headers)


async def test_it_hears_what_will_happen_and_how_long_it_has() -> None:
    async with instance(Careful) as (client, address):
        load = await tell(client, address, SUSPEND)
    assert Careful.heard == Pressure("critical", "suspend", 2)
    assert (load["running"], load["serving"]) == (0, None)


@pytest.mark.parametrize("kind", [Slow, Raising, Indifferent])
async def test_whoever_is_slow_raises_or_does_not_care_is_done_all_the_same(
    kind: type[Agent],
) -> None:
    async with instance(kind) as (client, address):
        assert (await tell(client, address, {**SUSPEND, "seconds": 0.05}))["running"] == 0


async def test_the_host_hears_whom_the_work_in_hand_is_for() -> None:
    async with instance(Careful) as (client, address):
        calls = [
            asyncio.create_task(_ask(client, address, priority))
            for priority in ("low", "high", "medium", "utmost", None)
        ]
        async with asyncio.timeout(60):
            while (await client.call("GET", address, "/health"))["running"] < len(calls):
                await asyncio.sleep(0.01)
        load = await tell(client, address, SUSPEND)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        async with asyncio.timeout(60):
            while (await client.call("GET", address, "/health"))["serving"] is not None:
                await asyncio.sleep(0.01)
    assert load == {"running": 5, "serving": "high", "idle": 0.0}


async def test_nobody_else_can_say_so() -> None:
    async with instance(Careful) as (client, address):
        with pytest.raises(NotFound):
            await client.call("POST", address, "/pressure", SUSPEND)


@pytest.mark.parametrize("body", [{}, [], {"level": 1, "action": "suspend", "seconds": 2}])
async def test_what_cannot_be_understood_is_refused(body: Any) -> None:
    async with instance(Careful) as (client, address):
        with pytest.raises(BadInput):
            await tell(client, address, body)


async def _ask(client: Client, address: Address, priority: str | None) -> None:
    headers = [("x-sutazai-priority", priority)] if priority else []
    body = json.dumps({"input": "hi"}).encode()
    async with await client.request(
        "POST", address, "/invoke", headers=headers, body=body
    ) as response:
        await response.read()


def _identity() -> Identity:
    return Identity(agent="careful", instance="careful-1", version="1")
