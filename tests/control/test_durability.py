"""Nothing that was accepted is lost, and nothing is done twice, whatever is killed under load."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from sutazai.control.settings import read_settings
from sutazai.fleet.places import Places
from tests.control.conftest import TOKEN
from tests.control.peers import Body, FakeGateway, FakeHost, FakeKeeper
from tests.control.test_process import control_process
from tests.postgres import Postgres, postgres

AGENTS = ("planner", "executor", "reviewer")
SEED = 20261121

pytestmark = pytest.mark.timeout(300)  # processes start again and again


@pytest.fixture
def keeper(places: Places) -> Iterator[FakeKeeper]:
    keeper = FakeKeeper(places.keeper_socket, read_settings(places).config.ports.control)
    yield keeper
    keeper.close()


@pytest.fixture(params=["sqlite", "postgres"])
def server(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Postgres | None]:
    """The database of control; None is SQLite."""
    if request.param == "sqlite":
        yield None
        return
    with postgres() as server:
        monkeypatch.setenv("SUTAZAI_DATABASE", server.create("control"))
        yield server


@dataclass
class Ledger:
    """Gives tasks until each is accepted, and remembers what the agents did for which key."""

    places: Places
    accepted: dict[str, str] = field(default_factory=dict)
    effects: Counter[str] = field(default_factory=Counter)

    async def work(self, body: Body) -> Any:
        await asyncio.sleep(0.05)
        if body["input"] not in self.effects:  # as an agent that knows what it did already
            self.effects[body["input"]] += 1
        return body["input"]

    async def give(self, number: int) -> None:
        key = f"key-{number}"
        request = {
            "agent": AGENTS[number % len(AGENTS)],
            "input": key,
            "idempotency_key": key,
            "ttl": None,
        }
        while key not in self.accepted:
            answer = await self.call("POST", "/tasks", request)
            if answer is not None:
                self.accepted[key] = answer["id"]

    async def call(self, method: str, path: str, value: Any = None) -> Any:
        """The answer, or None where control or its database was killed meanwhile."""
        ports = read_settings(self.places).config.ports
        url = f"{ports.url(ports.control)}/api/v1{path}"
        headers = {"authorization": f"Bearer {TOKEN}"}
        try:
            async with httpx.AsyncClient(headers=headers, timeout=60) as client:
                answer = await client.request(method, url, json=value)
        except httpx.HTTPError:
            await asyncio.sleep(0.1)
            return None
        if answer.status_code in (500, 503):
            await asyncio.sleep(0.1)
            return None
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def until_all_ended(self) -> list[dict[str, Any]]:
        while True:
            tasks = await self.call("GET", "/tasks?limit=1000") or []
            if len(tasks) == len(self.accepted) and all(task["ended"] for task in tasks):
                return tasks
            await asyncio.sleep(0.2)


async def survive(
    ledger: Ledger, gateway: FakeGateway, server: Postgres | None, *, count: int, kills: int
) -> list[dict[str, Any]]:
    """Tasks are given while control, and its database, are killed again and again."""
    gateway.agents.update(dict.fromkeys(AGENTS, ledger.work))
    chance = random.Random(SEED)
    gate = asyncio.Semaphore(8)

    async def gated(number: int) -> None:
        async with gate:
            await ledger.give(number)

    giving = asyncio.gather(*(gated(number) for number in range(count)))
    for number in range(kills):
        async with control_process(ledger.places) as process:
            while len(ledger.accepted) < count * number // (kills + 1):
                await asyncio.sleep(0.02)
            await asyncio.sleep(chance.uniform(0.0, 0.3))
            if server is not None and number % 2:
                server.kill()
                await asyncio.to_thread(server.start)
            process.send_signal(signal.SIGKILL)
            await process.wait()
    async with control_process(ledger.places):
        await giving
        return await ledger.until_all_ended()


def check(ledger: Ledger, tasks: list[dict[str, Any]], count: int) -> None:
    assert Counter(task["state"] for task in tasks) == {"done": count}
    assert {task["id"] for task in tasks} == set(ledger.accepted.values())
    assert {task["output"] for task in tasks} == set(ledger.accepted)
    assert ledger.effects == Counter(ledger.accepted.keys())


async def test_kill_9_loses_nothing(
    places: Places,
    host: FakeHost,
    gateway: FakeGateway,
    keeper: FakeKeeper,
    server: Postgres | None,
) -> None:
    ledger = Ledger(places)
    tasks = await survive(ledger, gateway, server, count=40, kills=2)
    check(ledger, tasks, 40)


@pytest.mark.soak
async def test_kill_9_loses_nothing_for_long(
    places: Places,
    host: FakeHost,
    gateway: FakeGateway,
    keeper: FakeKeeper,
    server: Postgres | None,
) -> None:
    ledger = Ledger(places)
    tasks = await survive(ledger, gateway, server, count=900, kills=30)
    check(ledger, tasks, 900)
