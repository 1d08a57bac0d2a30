"""A task's way from control through a door to an agent, to the models it asks, and its end.

Real agents, control's own caller, and a gateway of doors, keys and tasks alone, on real sockets.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from sutazai.agent import Agent, TaskContext
from sutazai.agent.identity import Identity
from sutazai.agent.server import InstanceServer
from sutazai.fleet.declared import Priority
from sutazai.fleet.errors import SutazaiError, TaskStopped
from sutazai.fleet.facts import Endpoint
from sutazai.fleet.places import Places
from sutazai.fleet.routes import Door, Key
from sutazai.fleet.serving import WorkBudget
from sutazai.fleet.span_ids import traceparent
from sutazai.fleet.work import Invocation
from sutazai.gateway.callers.keys import CONTROL, Caller, Keyring
from sutazai.gateway.callers.tasks import ServedCall, Tasks
from sutazai.gateway.doors.doors import Doors
from sutazai.gateway.doors.instances import Instances
from sutazai.gateway.doors.waking import Waker
from sutazai.tasks.calls import AgentCalls
from sutazai.tasks.retries import Retries
from sutazai.wire import (
    Address,
    Client,
    Request,
    Response,
    Router,
    Server,
    SseDecoder,
    json_response,
)
from tests.gateway.conftest import until

API = "api"
KEYS = [
    Key(name="planner", secret="planner-key", agent=True),
    Key(name="worker", secret="worker-key", agent=True),
    Key(name="@admin", secret="admin-key", admin=True),
    Key(name="lab", secret="lab-key"),
]


class Thinker(Agent):
    """Asks the model for each line of its input."""

    async def run(self, task: TaskContext) -> Any:
        return [(await self.llm.generate(line)).text for line in str(task.input).splitlines()]


class Delegator(Agent):
    """Asks the model, and has the worker do the same."""

    async def run(self, task: TaskContext) -> Any:
        await self.llm.generate("how?")
        return await self.ask("worker", task.input, deadline=60.0)


class Stubborn(Agent):
    """Asks the same thing for ever, whatever it is told."""

    cancelled = 0

    async def run(self, task: TaskContext) -> Any:
        await task.token("so ")
        try:
            while True:
                try:
                    await self.llm.generate("again?")
                except SutazaiError:
                    await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            type(self).cancelled += 1
            raise


class Talker(Agent):
    """Says something, and asks the model a while later."""

    async def run(self, task: TaskContext) -> Any:
        await task.token("so ")
        await asyncio.sleep(0.05)
        return (await self.llm.generate("what?")).text


@dataclass
class Gateway:
    """Doors, keys and tasks, and a model that answers at once."""

    places: Places
    client: Client
    tasks: Tasks = field(default_factory=Tasks)
    instances: Instances = field(default_factory=Instances)
    calls: list[tuple[str, ServedCall | None]] = field(default_factory=list)
    shown: list[dict[str, str]] = field(default_factory=list)
    doors: Doors = field(init=False)

    def __post_init__(self) -> None:
        self._keyring = Keyring(KEYS)
        self._waker = Waker(self.client, self.places.host_socket)
        self._held = AsyncExitStack()
        self.doors = Doors(self.client, self.instances, self._waker, self.tasks)
        self.bound(repeats=20)

    def bound(self, **more: Any) -> None:
        self.tasks.apply(KEYS, **{"repeats": None, "run_budget": WorkBudget(), **more})

    async def start(self) -> None:
        router = Router()
        router.add("POST", "/v1/chat/completions", self._chat)
        router.add("ANY", "/agents/{name}/{rest...}", self._agent)
        server = Server(router)
        await server.listen_unix(self.places.gateway_socket, API)
        self.places.agents_socket.parent.mkdir()
        await server.listen_unix(self.places.agents_socket, "agents")
        self._held.push_async_callback(server.close, 0.2)

    async def close(self) -> None:
        await self._held.aclose()
        await self._waker.close()

    async def hire(self, **agents: type[Agent]) -> None:
        """Starts an instance of each, as the zygote would."""
        for name, kind in agents.items():
            path = self.places.runtime / f"{name}.sock"
            identity = Identity(
                agent=name,
                instance=f"{name}-1",
                gateway=f"unix:{self.places.agents_socket}",
                key=f"{name}-key",
            )
            handler = InstanceServer(kind(identity, self.client)).handler

            async def seen(request: Request, handler: Router = handler) -> Response:
                self.shown.append(dict(request.headers))
                return await handler(request)

            server = Server(seen)
            await server.listen_unix(path, "instance")
            self._held.push_async_callback(server.close, 0.2)
            self.instances.add([Endpoint(agent=name, instance=f"{name}-1", address=f"unix:{path}")])
        self.doors.apply([Door(agent=name) for name in agents])

    def caller(self, request: Request) -> Caller:
        if request.listener == API:
            return CONTROL
        return self._keyring.identify(request.headers, keyless=False)

    async def _agent(self, request: Request) -> Response:
        target = f"/{request.params['rest']}"
        return await self.doors.serve(request.params["name"], request, target, self.caller(request))

    async def _chat(self, request: Request) -> Response:
        caller, body = self.caller(request), await request.read()
        now = asyncio.get_running_loop().time()
        try:
            task = request.headers.get("x-sutazai-task", "")
            served = self.tasks.call(caller, task, request.raw_path, body, now)
        except TaskStopped as error:
            told = {"message": error.message, "sutazai_code": error.code}
            return json_response({"error": told}, error.http_status)
        self.calls.append((caller.name, served))
        if served is not None:
            served.end(10)
        answer = {"choices": [{"message": {"content": "yes"}}], "model": "m"}
        return json_response(answer)


@pytest.fixture
async def gateway(places: Places, client: Client) -> AsyncIterator[Gateway]:
    made = Gateway(places, client)
    await made.start()
    yield made
    await made.close()


@pytest.fixture
def control(gateway: Gateway) -> AgentCalls:
    address = Address.parse(f"unix:{gateway.places.gateway_socket}")
    return AgentCalls(gateway.client, address, None)


def served_calls(gateway: Gateway) -> list[tuple[str, str, str, Priority | None]]:
    found = []
    for name, served in gateway.calls:
        assert served is not None
        found.append((name, served.task, served.run, served.priority))
    return found


async def ask(gateway: Gateway, agent: str, key: str, headers: Any = ()) -> Any:
    return await gateway.client.call(
        "POST",
        Address.parse(f"unix:{gateway.places.agents_socket}"),
        f"/agents/{agent}/invoke",
        {"input": "one"},
        headers=[("authorization", f"Bearer {key}"), *headers],
    )


WORK = Invocation(input="one\ntwo", task="run-1/plan", run="run-1", priority=Priority.HIGH)


async def test_what_an_agent_asks_of_models_belongs_to_the_task(
    gateway: Gateway, control: AgentCalls
) -> None:
    await gateway.hire(planner=Thinker)
    result = await control.invoke("planner", WORK.model_copy(update={"deadline": 60.0}))
    assert result.output == ["yes", "yes"]
    assert served_calls(gateway) == [("planner", "run-1/plan", "run-1", Priority.HIGH)] * 2
    left = [served.deadline for _, served in gateway.calls if served and served.deadline]
    now = asyncio.get_running_loop().time()
    assert len(left) == 2 and all(50 < at - now < 61 for at in left)
    assert gateway.tasks.served == 0


async def test_an_agent_that_asks_another_one_hands_the_task_on(
    gateway: Gateway, control: AgentCalls
) -> None:
    await gateway.hire(planner=Delegator, worker=Thinker)
    assert (await control.invoke("planner", WORK)).output == ["yes", "yes"]
    assert [call[:2] for call in served_calls(gateway)] == [
        ("planner", "run-1/plan"),
        ("worker", "run-1/plan"),
        ("worker", "run-1/plan"),
    ]
    first, second, _ = [served.deadline for _, served in gateway.calls if served]
    assert first is not None and second is not None and second < first
    assert gateway.tasks.served == 0


async def test_all_who_work_for_a_task_are_told_its_run_and_its_trace(
    gateway: Gateway, control: AgentCalls
) -> None:
    await gateway.hire(planner=Delegator, worker=Thinker)
    parent = traceparent("run-1/plan", 1, 1.0)

    await control.invoke("planner", WORK.model_copy(update={"traceparent": parent}))

    told = [(seen.get("x-sutazai-run"), seen.get("traceparent")) for seen in gateway.shown]
    assert told == [(WORK.run, parent)] * len(gateway.shown) and len(told) > 1


async def test_nobody_else_says_what_an_agent_serves(gateway: Gateway) -> None:
    await gateway.hire(planner=Thinker)
    lies = [
        ("x-sutazai-task", "run-1/plan"),
        ("X-Sutazai-Priority", "high"),
        ("x-sutazai-run", "run-1"),
        ("x-sutazai-anything", "x"),
        ("x-other", "kept"),
        ("api-key", "secret"),
    ]
    await ask(gateway, "planner", "lab-key", lies)
    ((name, task, run, priority),) = served_calls(gateway)
    assert (name, run, priority) == ("planner", "", None)
    assert task.startswith("task-")
    (seen,) = gateway.shown
    ours = {name.lower(): value for name, value in seen.items() if "sutazai" in name.lower()}
    assert ours == {"x-sutazai-task": task}
    assert seen["x-other"] == "kept" and "api-key" not in seen


async def test_an_admin_is_believed_as_control_is(gateway: Gateway) -> None:
    await gateway.hire(planner=Thinker)
    headers = [("x-sutazai-task", "mine"), ("x-sutazai-priority", "low")]
    await ask(gateway, "planner", "admin-key", headers)
    assert served_calls(gateway) == [("planner", "mine", "", Priority.LOW)]
    with pytest.raises(SutazaiError, match="x-sutazai-priority is one of high, medium, low"):
        await ask(gateway, "planner", "admin-key", [("x-sutazai-priority", "first")])


async def test_a_task_that_goes_in_circles_fails_with_that_reason(
    gateway: Gateway, control: AgentCalls
) -> None:
    gateway.bound(repeats=5)
    await gateway.hire(planner=Thinker)
    with pytest.raises(TaskStopped, match="the same call more than 5 times") as error:
        await control.invoke("planner", Invocation(input="again\n" * 9, task="t"))
    assert error.value.data == {"task": "t", "reason": "loop"}
    assert len(gateway.calls) == 5
    assert Retries(5).delay(1, error.value) is None


async def test_an_agent_that_will_not_stop_is_stopped(
    gateway: Gateway, control: AgentCalls
) -> None:
    Stubborn.cancelled = 0
    await gateway.hire(planner=Delegator, worker=Stubborn)
    with pytest.raises(TaskStopped, match="worker made the same call"):
        await control.invoke("planner", Invocation(input="x", task="t"))
    await until(lambda: Stubborn.cancelled == 1)
    await until(lambda: gateway.tasks.served == 0)


async def test_a_stream_of_a_stopped_task_ends_with_the_reason(gateway: Gateway) -> None:
    await gateway.hire(planner=Stubborn)
    response = await gateway.client.request(
        "POST",
        Address.parse(f"unix:{gateway.places.gateway_socket}"),
        "/agents/planner/invoke",
        headers=[("accept", "text/event-stream")],
        body=json.dumps({"input": "x"}).encode(),
    )
    decoder, events = SseDecoder(), []
    async with asyncio.timeout(60), response:
        async for piece in response.stream():
            events += [(event.event, json.loads(event.data)) for event in decoder.feed(piece)]
    assert [name for name, _ in events] == ["token", "error"]
    assert events[-1][1]["code"] == "TaskStopped"
    await until(lambda: gateway.tasks.served == 0)


async def test_a_task_is_served_until_its_stream_has_ended(gateway: Gateway) -> None:
    await gateway.hire(planner=Talker)
    response = await gateway.client.request(
        "POST",
        Address.parse(f"unix:{gateway.places.gateway_socket}"),
        "/agents/planner/invoke",
        headers=[("accept", "text/event-stream"), ("x-sutazai-task", "t")],
        body=json.dumps({"input": "x"}).encode(),
    )
    async with asyncio.timeout(60), response:
        text = b"".join([piece async for piece in response.stream()])
    assert b"event: result" in text
    assert served_calls(gateway) == [("planner", "t", "", None)]
    await until(lambda: gateway.tasks.served == 0)


async def test_a_caller_who_leaves_ends_what_is_served(gateway: Gateway) -> None:
    gateway.bound(repeats=None)
    await gateway.hire(planner=Stubborn)
    call = asyncio.create_task(ask(gateway, "planner", "lab-key"))
    await until(lambda: gateway.tasks.served == 1)
    call.cancel()
    await until(lambda: gateway.tasks.served == 0)


async def test_a_run_whose_budget_is_spent_does_not_wake_another_agent(
    gateway: Gateway, control: AgentCalls
) -> None:
    gateway.bound(run_budget=WorkBudget(calls=2))
    await gateway.hire(planner=Thinker)
    await control.invoke("planner", WORK)
    with pytest.raises(TaskStopped, match="the run run-1 may use 2 calls"):
        await control.invoke("planner", WORK.model_copy(update={"task": "run-1/review"}))
    assert len(gateway.shown) == 1
