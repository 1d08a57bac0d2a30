"""How an agent says which task it works for, to models and to other agents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sutazai.agent import Agent, TaskContext
from sutazai.agent.identity import Identity
from sutazai.agent.server import InstanceServer
from sutazai.fleet.errors import TaskStopped
from sutazai.wire import Address, Client, Headers, Request, Response, Router, Server, json_response


class Asking(Agent):
    async def run(self, task: TaskContext) -> Any:
        if task.input == "model":
            return [task.id, (await self.llm.generate("x")).text]
        return [task.id, await self.ask("worker", "x", deadline=30.0)]


class Gateway:
    """Answers both, and remembers what was said."""

    def __init__(self) -> None:
        self.heard: list[Headers] = []
        self.stopped = False
        self.router = Router()
        self.router.add("POST", "/agents/worker/invoke", self._agent)
        self.router.add("POST", "/v1/chat/completions", self._model)

    async def _agent(self, request: Request) -> Response:
        self.heard.append(request.headers)
        return json_response({"output": "done"})

    async def _model(self, request: Request) -> Response:
        self.heard.append(request.headers)
        if self.stopped:
            error = {"message": "the task t was stopped", "sutazai_code": "TaskStopped"}
            return json_response({"error": error}, 403)
        return json_response({"choices": [{"message": {"content": "yes"}}], "model": "m"})


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    made = Gateway()
    server = Server(made.router)
    await server.listen_unix(tmp_path / "g.sock", "agents")
    yield made
    await server.close(0.2)


@pytest.fixture
async def agent(gateway: Gateway, tmp_path: Path) -> AsyncIterator[tuple[Client, Address]]:
    async with Client() as client:
        identity = Identity(
            agent="a", instance="a-1", gateway=f"unix:{tmp_path / 'g.sock'}", key="k"
        )
        server = Server(InstanceServer(Asking(identity, client)).handler)
        await server.listen_unix(tmp_path / "a.sock", "instance")
        yield client, Address.parse(f"unix:{tmp_path / 'a.sock'}")
        await server.close(0.2)


async def invoke(agent: tuple[Client, Address], value: str, *headers: tuple[str, str]) -> Any:
    client, address = agent
    body = {"input": value, "task": "t-body", "deadline": 60.0}
    return (await client.call("POST", address, "/invoke", body, headers=headers))["output"]


async def test_the_gateway_says_what_a_piece_of_work_is_called(
    agent: tuple[Client, Address], gateway: Gateway
) -> None:
    assert await invoke(agent, "model", ("x-sutazai-task", "t")) == ["t", "yes"]
    assert await invoke(agent, "model") == ["t-body", "yes"]
    assert [headers.get("x-sutazai-task") for headers in gateway.heard] == ["t", "t-body"]


async def test_another_agent_is_asked_for_the_same_task_and_told_how_long_it_has(
    agent: tuple[Client, Address], gateway: Gateway
) -> None:
    assert await invoke(agent, "agent", ("x-sutazai-task", "t")) == ["t", "done"]
    (headers,) = gateway.heard
    assert headers.get("x-sutazai-task") == "t"
    assert headers.get("x-sutazai-deadline") == "30.000"


async def test_an_agent_is_told_that_its_task_was_stopped(
    agent: tuple[Client, Address], gateway: Gateway
) -> None:
    gateway.stopped = True
    with pytest.raises(TaskStopped, match="the task t was stopped"):
        await invoke(agent, "model")
