"""Keys, budgets and tasks at the whole gateway, over its sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from sutazai.agent import Agent, TaskContext
from sutazai.agent.identity import Identity
from sutazai.agent.server import InstanceServer
from sutazai.fleet.declared import Dialect, Priority
from sutazai.fleet.errors import SutazaiError, TaskStopped
from sutazai.fleet.facts import Endpoint
from sutazai.fleet.places import Places
from sutazai.fleet.routes import Key
from sutazai.fleet.serving import Budget
from sutazai.fleet.work import Invocation
from sutazai.tasks.calls import AgentCalls
from sutazai.wire import Address, Server
from tests.gateway.fake_backend import FakeBackend
from tests.gateway.house import House, door, route

CHAT: dict[str, Any] = {
    "model": "fake-7b",
    "messages": [{"role": "user", "content": "hi"}],
}
PATH = "/v1/chat/completions"
LAB = Key(name="lab", secret="lab-key")


def key(**more: Any) -> Key:
    return LAB.model_copy(update=more)


@pytest.fixture
async def fake() -> AsyncIterator[FakeBackend]:
    async with FakeBackend(Dialect.OPENAI) as made:
        yield made


async def test_a_key_in_the_path_opens_what_a_key_opens(house: House, fake: FakeBackend) -> None:
    await house.start(route(fake), keyless=False, keys=(LAB,))
    assert (await house.post(f"/key/lab-key{PATH}", CHAT)).status == 200
    assert (await house.get("/key/lab-key/v1/models")).status == 200
    assert (await house.get("/key/lab-key/api/tags")).status == 200
    assert (await house.get("/key/lab-key")).status == 200
    assert (await house.post(f"/key/wrong{PATH}", CHAT)).status == 401
    reply = await house.post(PATH, CHAT, headers=[("api-key", "lab-key")])
    assert reply.status == 200


async def test_a_spent_budget_is_refused_with_the_time_of_its_reset(
    house: House, fake: FakeBackend
) -> None:
    budget = Budget(requests_per_minute=2)
    await house.start(route(fake), keys=(key(budget=budget),))
    for _ in range(2):
        assert (await house.post(PATH, CHAT, key="lab-key")).status == 200
    refused = await house.post(PATH, CHAT, key="lab-key")
    assert (refused.status, refused.json["error"]["code"]) == (429, "budget_spent")
    assert 1 <= int(refused.headers["retry-after"]) <= 61
    assert (await house.post(PATH, CHAT)).status == 200
    assert len(fake.calls) == 3


async def test_the_day_is_not_begun_anew_by_a_restart(house: House, fake: FakeBackend) -> None:
    keys = (key(budget=Budget(tokens_per_day=1)),)
    await house.start(route(fake), keys=keys)
    assert (await house.post(PATH, CHAT, key="lab-key")).status == 200
    assert (await house.post(PATH, CHAT, key="lab-key")).status == 429
    await house.close()
    await house.start(route(fake), keys=keys)
    assert (await house.post(PATH, CHAT, key="lab-key")).status == 429


async def test_a_key_opens_its_tiers_alone(house: House, fake: FakeBackend) -> None:
    await house.start(route(fake), keys=(key(tiers=("fast",)),))
    for model, status in (("fast", 200), ("complex", 403)):
        reply = await house.post(PATH, {**CHAT, "model": model}, key="lab-key")
        assert reply.status == status
    assert "fast" in reply.json["error"]["message"]


class Thinker(Agent):
    """Asks the model its input, so often as it says."""

    async def run(self, task: TaskContext) -> Any:
        for _ in range(task.input["times"]):
            try:
                await self.llm.generate(task.input["say"])
            except SutazaiError:
                if not task.input["stubborn"]:
                    raise
        return "done"


@pytest.fixture
async def thinker(house: House, places: Places) -> AsyncIterator[AgentCalls]:
    """The agent, and control's way to it."""
    identity = Identity(
        agent="planner",
        instance="planner-1",
        gateway=f"unix:{places.agents_socket}",
        key="planner-key",
    )
    path = places.runtime / "planner.sock"
    server = Server(InstanceServer(Thinker(identity, house.client)).handler)
    await server.listen_unix(path, "instance")
    yield AgentCalls(house.client, Address.parse(f"unix:{places.gateway_socket}"), None)
    await server.close(0.2)


async def start(house: House, places: Places, fake: FakeBackend, **more: Any) -> None:
    planner = Key(name="planner", secret="planner-key", priority=Priority.LOW, agent=True)
    await house.start(route(fake), keys=(planner,), doors=[door("planner")], **more)
    path = places.runtime / "planner.sock"
    await house.facts(
        Endpoint(agent="planner", instance="planner-1", address=f"unix:{path}"), full=True
    )


def work(times: int, *, stubborn: bool = False) -> Invocation:
    said = {"times": times, "say": "hi", "stubborn": stubborn}
    return Invocation(input=said, task="run-1/plan", run="run-1", priority=Priority.HIGH)


async def test_a_task_in_circles_is_stopped_and_control_hears_why(
    house: House, places: Places, fake: FakeBackend, thinker: AgentCalls
) -> None:
    await start(house, places, fake, repeats=3)
    assert (await thinker.invoke("planner", work(3))).output == "done"
    for stubborn in (False, True):
        with pytest.raises(TaskStopped, match="planner made the same call more than 3 times"):
            await thinker.invoke("planner", work(100, stubborn=stubborn))
    assert len(fake.calls) == 9


async def test_calls_that_the_gateway_refused_make_no_circle(
    house: House, places: Places, fake: FakeBackend, thinker: AgentCalls
) -> None:
    await start(house, places, fake, repeats=3)
    planner = Key(
        name="planner",
        secret="planner-key",
        agent=True,
        budget=Budget(requests_per_minute=1),
    )
    await house.route(route(fake), keys=(planner,), doors=[door("planner")], repeats=3)
    assert (await thinker.invoke("planner", work(10, stubborn=True))).output == "done"
    assert len(fake.calls) == 1
