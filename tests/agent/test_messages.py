"""What an instance sends and gets, seen from its gateway."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sutazai.agent import Agent, Message
from sutazai.agent.identity import Identity
from sutazai.agent.server import InstanceServer
from sutazai.fleet.errors import BadInput, QueueFull
from sutazai.wire import Address, Client, Request, Response, Router, Server, json_response

DELIVERY = [("x-sutazai-messages", "3")]


class Keeping(Agent):
    """Keeps what it gets; fails as often as it is told."""

    async def start(self) -> None:
        self.got: list[Any] = []
        self.faults = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def on_message(self, message: Message) -> Any:
        await self.gate.wait()
        if message.body == "unwanted":
            raise BadInput("unwanted")
        if self.faults:
            self.faults -= 1
            raise ValueError("as told")
        self.got.append(message.body)
        return message.body


class Gateway:
    """Takes messages in batches, the first when it may; remembers the batches."""

    def __init__(self) -> None:
        self.batches: list[list[dict[str, Any]]] = []
        self.gate = asyncio.Event()
        self.answer: dict[str, Any] = {}
        self.router = Router()
        self.router.add("POST", "/messages", self._take)

    async def _take(self, request: Request) -> Response:
        self.batches.append((await request.json())["messages"])
        await self.gate.wait()
        return json_response(self.answer)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with Client() as made:
        yield made


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    made = Gateway()
    server = Server(made.router)
    await server.listen_unix(tmp_path / "g.sock", "agents")
    yield made
    await server.close(0.2)


@pytest.fixture
async def agent(gateway: Gateway, client: Client, tmp_path: Path) -> AsyncIterator[Keeping]:
    made = Keeping(
        Identity(agent="a", instance="a-1", gateway=f"unix:{tmp_path / 'g.sock'}", key="k"), client
    )
    await made.start()
    server = Server(InstanceServer(made).handler)
    await server.listen_unix(tmp_path / "a.sock", "instance")
    yield made
    await server.close(0.2)


async def test_what_is_sent_meanwhile_goes_with_the_next_request(
    agent: Keeping, gateway: Gateway
) -> None:
    first = asyncio.create_task(agent.send("b", "x", 0))
    async with asyncio.timeout(60):
        while not gateway.batches:
            await asyncio.sleep(0.01)
    others = [asyncio.create_task(agent.send("b", "x", number)) for number in range(1, 20)]
    await asyncio.sleep(0)
    gateway.gate.set()
    await asyncio.gather(first, *others)
    assert [len(batch) for batch in gateway.batches] == [1, 19]
    assert [one["body"] for one in gateway.batches[1]] == list(range(1, 20))
    ids = [one["id"] for batch in gateway.batches for one in batch]
    assert len(set(ids)) == 20


async def test_each_sender_hears_of_its_own_message(agent: Keeping, gateway: Gateway) -> None:
    gateway.gate.set()
    gateway.answer = {
        "refused": {"1": {"code": "QueueFull", "message": "full", "data": {"retry_after": 3}}},
        "reached": {"2": ["b", "c"]},
    }
    results = await asyncio.gather(
        agent.send("b", "x"), agent.send("c", "x"), agent.broadcast("x"), return_exceptions=True
    )
    assert results[0] is None
    assert isinstance(results[1], QueueFull)
    assert results[1].data["retry_after"] == 3
    assert results[2] == ["b", "c"]


async def test_a_delivery_is_answered_by_what_became_of_each(
    agent: Keeping, client: Client, tmp_path: Path
) -> None:
    agent.faults = 1
    lines = await deliver(
        client,
        tmp_path,
        entry("1", "ann", "fails"),
        entry("2", "ann", "behind it"),
        entry("3", "cid", "unwanted"),
        entry("4", "cid", "fine"),
        entry("5", "cid", [1], asked=True, lasts=5.0),
    )
    said = merged(lines)
    assert said["failed"]["0"]["code"] == "AgentFailed"
    assert said["left"] == [1]
    assert said["refused"]["2"]["message"] == "unwanted"
    assert said["taken"] == [3]
    assert said["answers"] == {"4": [1]}
    assert agent.got == ["fine", [1]]


async def test_what_was_handled_is_not_handled_again(
    agent: Keeping, client: Client, tmp_path: Path
) -> None:
    for _ in range(3):
        said = merged(await deliver(client, tmp_path, entry("1", "ann", "once")))
        assert said == {"taken": [0]}
    assert agent.got == ["once"]


async def test_what_is_still_handled_when_it_comes_again_is_left(
    agent: Keeping, client: Client, tmp_path: Path
) -> None:
    agent.gate.clear()
    first = asyncio.create_task(deliver(client, tmp_path, entry("1", "ann", "slow")))
    health: dict[str, Any] = {}
    async with asyncio.timeout(60):
        while not health.get("running"):
            health = await client.call("GET", address(tmp_path), "/health")
    assert health["idle"] == 0
    assert merged(await deliver(client, tmp_path, entry("1", "ann", "slow"))) == {"left": [0]}
    agent.gate.set()
    assert merged(await first) == {"taken": [0]}
    assert agent.got == ["slow"]


@pytest.mark.parametrize(
    ("value", "headers", "status"),
    [
        ({"version": 3, "messages": []}, [], 404),
        ({"version": 9, "messages": []}, DELIVERY, 400),
        ({"version": 3, "messages": [{"id": "1"}]}, DELIVERY, 400),
        ([], DELIVERY, 400),
    ],
)
async def test_what_is_no_delivery_is_refused(
    agent: Keeping,
    client: Client,
    tmp_path: Path,
    value: Any,
    headers: list[tuple[str, str]],
    status: int,
) -> None:
    body = json.dumps(value).encode()
    response = await client.request(
        "POST", address(tmp_path), "/messages", headers=headers, body=body
    )
    async with response:
        assert response.status == status


def address(folder: Path) -> Address:
    return Address.parse(f"unix:{folder / 'a.sock'}")


def entry(name: str, sender: str, body: Any, **more: Any) -> dict[str, Any]:
    return {"id": name, "from": sender, "type": "x", "body": body, **more}


async def deliver(client: Client, folder: Path, *messages: dict[str, Any]) -> list[bytes]:
    body = json.dumps({"version": 3, "handling": 5.0, "messages": messages}).encode()
    response = await client.request(
        "POST", address(folder), "/messages", headers=DELIVERY, body=body
    )
    async with response:
        assert response.status == 200
        return (await response.read()).splitlines()


def merged(lines: list[bytes]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for line in lines:
        for fate, value in json.loads(line).items():
            if isinstance(value, list):
                found.setdefault(fate, []).extend(value)
            else:
                found.setdefault(fate, {}).update(value)
    return found
