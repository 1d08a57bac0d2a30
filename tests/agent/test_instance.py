"""One instance over its socket: health, work, streams, and all that an author can do wrong."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sutazai.agent import Agent, TaskContext
from sutazai.agent.identity import Identity
from sutazai.agent.server import InstanceServer
from sutazai.agent.task import TOOLS
from sutazai.agent.work import WAITING_PER_SLOT
from sutazai.fleet.errors import AgentFailed, BadInput, DeadlineExceeded, QueueFull, Unavailable
from sutazai.wire import Address, Client, Server, SseDecoder


class Echo(Agent):
    async def run(self, task: TaskContext) -> Any:
        await task.progress("reading", 0.5)
        await task.token("so ")
        return {"echo": task.input}


class Synchronous(Agent):
    def run(self, task: TaskContext) -> str:
        self.wait(task.token("from a thread"))
        return "done in a thread"


class Raising(Agent):
    async def run(self, task: TaskContext) -> Any:
        raise ValueError("the tea is cold")


class Unavailing(Agent):
    async def run(self, task: TaskContext) -> Any:
        raise Unavailable("no tea", hint="buy some")


class Handy(Agent):
    async def run(self, task: TaskContext) -> Any:
        for tool in task.input:
            with task.tool():
                if tool == "broken":
                    raise Unavailable("no such tool")
        return "done"


class Forgetful(Agent):
    async def run(self, task: TaskContext) -> Any:
        return {1, 2, 3}


class Sleeper(Agent):
    cancelled = 0
    running = 0

    async def run(self, task: TaskContext) -> Any:
        type(self).running += 1
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            type(self).cancelled += 1
            raise
        finally:
            type(self).running -= 1


@asynccontextmanager
async def instance(
    kind: type[Agent], concurrency: int = 4
) -> AsyncIterator[tuple[Client, Address]]:
    with tempfile.TemporaryDirectory(prefix="sz-") as folder:
        path = Path(folder) / "a.sock"
        async with Client() as client:
            identity = Identity(
                agent="tester", instance="tester-1", version="v1", concurrency=concurrency
            )
            server = Server(InstanceServer(kind(identity, client)).handler)
            await server.listen_unix(path, "instance")
            try:
                yield client, Address.parse(f"unix:{path}")
            finally:
                await server.close(grace=0.2)


async def invoke(client: Client, address: Address, input: Any = "hi", **more: Any) -> Any:  # noqa: A002
    return await client.call("POST", address, "/invoke", {"input": input, **more})


async def events(client: Client, address: Address) -> list[tuple[str, Any]]:
    response = await client.request(
        "POST",
        address,
        "/invoke",
        headers=[("accept", "text/event-stream")],
        body=json.dumps({"input": "hi"}).encode(),
    )
    decoder, heard = SseDecoder(), []
    async with response:
        async for chunk in response.stream():
            heard += [(event.event, json.loads(event.data)) for event in decoder.feed(chunk)]
    return heard


async def test_health_has_the_fields_that_every_agent_shows() -> None:
    async with instance(Echo) as (client, address):
        health = await client.call("GET", address, "/health")
    assert health["status"] == "healthy"
    assert health["agent"] == "tester"
    assert health["version"] == "v1"
    assert health["memory_usage"] > 1024**2
    assert {"uptime", "cpu_usage"} <= health.keys()


async def test_an_invocation_returns_the_output_with_its_usage() -> None:
    async with instance(Echo) as (client, address):
        result = await invoke(client, address, {"deep": [1, 2]})
    assert result["output"] == {"echo": {"deep": [1, 2]}}
    assert result["agent"] == "tester"
    assert result["instance"] == "tester-1"
    assert result["usage"] == {"prompt_tokens": 0, "completion_tokens": 0, "calls": 0}


async def test_a_stream_brings_progress_and_tokens_before_the_result() -> None:
    async with instance(Echo) as (client, address):
        heard = await events(client, address)
    assert [name for name, _ in heard] == ["progress", "token", "result"]
    assert heard[-1][1]["output"] == {"echo": "hi"}


async def test_a_synchronous_agent_runs_in_a_thread_and_can_report() -> None:
    async with instance(Synchronous) as (client, address):
        heard = await events(client, address)
    assert heard[0] == ("token", {"text": "from a thread"})
    assert heard[-1][1]["output"] == "done in a thread"


async def test_what_the_author_raises_fails_the_work_with_its_reason() -> None:
    async with instance(Raising) as (client, address):
        with pytest.raises(AgentFailed, match="ValueError: the tea is cold"):
            await invoke(client, address)
        assert (await events(client, address))[-1][1]["code"] == "AgentFailed"


async def test_errors_of_the_house_keep_their_name_and_hint() -> None:
    async with instance(Unavailing) as (client, address):
        with pytest.raises(Unavailable, match="no tea") as caught:
            await invoke(client, address)
    assert caught.value.hint == "buy some"


@pytest.mark.parametrize(
    ("tools", "status", "told"),
    [([], 200, None), (["saw", "file"], 200, "2 0"), (["saw", "broken"], 503, "2 1")],
)
async def test_an_answer_tells_how_the_tools_did_where_any_were_called(
    tools: list[str], status: int, told: str | None
) -> None:
    async with instance(Handy) as (client, address):
        body = json.dumps({"input": tools}).encode()
        response = await client.request("POST", address, "/invoke", body=body)
        async with response:
            await response.read()
    assert (response.status, response.headers.get(TOOLS)) == (status, told)


async def test_an_output_that_is_no_json_is_the_authors_fault() -> None:
    async with instance(Forgetful) as (client, address):
        with pytest.raises(AgentFailed, match="JSON serializable"):
            await invoke(client, address)


async def test_work_ends_at_its_deadline() -> None:
    async with instance(Sleeper) as (client, address):
        with pytest.raises(DeadlineExceeded):
            await invoke(client, address, deadline=0.05)
    assert Sleeper.running == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"{}",
        b'{"input": 1, "deadline": 0}',
        b'{"input": 1, "deadline": "soon"}',
        b'{"input": 1, "schema": "no"}',
        b'{"input": 1, "task": 7}',
        b"\xff\xfe",
    ],
)
async def test_bad_bodies_are_refused_with_a_reason(body: bytes) -> None:
    async with (
        instance(Echo) as (client, address),
        await client.request("POST", address, "/invoke", body=body) as response,
    ):
        answer = await response.json()
    assert response.status == BadInput.http_status
    assert answer["error"]["message"]


async def test_a_caller_who_leaves_cancels_the_work() -> None:
    async with instance(Sleeper) as (client, address):
        before = Sleeper.cancelled
        asking = asyncio.create_task(events(client, address))
        async with asyncio.timeout(60):
            while not Sleeper.running:
                await asyncio.sleep(0.01)
            asking.cancel()
            await asyncio.wait([asking])
            while Sleeper.cancelled == before:
                await asyncio.sleep(0.01)


async def test_more_work_than_may_wait_is_refused() -> None:
    async with instance(Sleeper, concurrency=1) as (client, address):
        calls = [
            asyncio.create_task(invoke(client, address, deadline=30))
            for _ in range(1 + WAITING_PER_SLOT)
        ]
        async with asyncio.timeout(60):
            while (await client.call("GET", address, "/health"))["running"] < len(calls):
                await asyncio.sleep(0.01)
        with pytest.raises(QueueFull):
            await invoke(client, address)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
