"""An agent gives durable work: once, however often it has to be said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sutazai.agent import Agent
from sutazai.agent.identity import Identity
from sutazai.fleet.errors import Refused, Unavailable
from sutazai.wire import Client, Request, Response, Router, Server, error_response, json_response


class Gateway:
    """Answers with each of ``faults`` first."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.faults: list[Response] = []
        self.router = Router()
        self.router.add("POST", "/tasks", self._take)

    async def _take(self, request: Request) -> Response:
        assert request.headers.get("authorization") == "Bearer k"
        self.got.append(await request.json())
        return self.faults.pop(0) if self.faults else json_response({"id": "task-1"})


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    made = Gateway()
    server = Server(made.router)
    await server.listen_unix(tmp_path / "g.sock", "agents")
    yield made
    await server.close(0.2)


@pytest.fixture
async def agent(gateway: Gateway, tmp_path: Path) -> AsyncIterator[Agent]:
    identity = Identity(agent="a", instance="a-1", gateway=f"unix:{tmp_path / 'g.sock'}", key="k")
    async with Client() as client:
        yield Agent(identity, client)


async def test_work_goes_to_whom_it_names(agent: Agent, gateway: Gateway) -> None:
    assert await agent.submit({"page": 1}, capability="read", key="p1", retries=2) == "task-1"
    assert gateway.got == [
        {"capability": "read", "input": {"page": 1}, "idempotency_key": "p1", "retries": 2}
    ]


async def test_what_was_not_answered_is_said_again_as_the_same(
    agent: Agent, gateway: Gateway
) -> None:
    gateway.faults = [error_response(Unavailable("control is away"))]
    assert await agent.submit("x", agent="b") == "task-1"
    first, second = gateway.got
    assert first == second and first["idempotency_key"]


async def test_a_refusal_is_raised(agent: Agent, gateway: Gateway) -> None:
    gateway.faults = [error_response(Refused("a does not speak with b"))]
    with pytest.raises(Refused, match="does not speak"):
        await agent.submit("x", agent="b")
