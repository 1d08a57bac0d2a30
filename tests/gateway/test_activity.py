"""What agents have in hand, as the gateway counts it and tells the host."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sutazai.fleet.facts import AgentDemand, Demand, Heard
from sutazai.fleet.places import Places
from sutazai.fleet.routes import Key
from sutazai.gateway.callers.activity import TOLD_FOR, Activity
from tests.gateway.conftest import until
from tests.gateway.fake_agents import FakeHost, FakeInstance
from tests.gateway.fake_backend import FakeBackend
from tests.gateway.house import KEY, House, door, route


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def told(activity: Activity, room: int | None = 1) -> AgentDemand:
    (one,) = activity.demand(lambda _: room)
    return one


def test_nobody_is_told_of_before_there_is_something_to_tell(clock: Clock) -> None:
    activity = Activity(clock)
    assert activity.demand(lambda _: 1) == ()


def test_calls_beyond_the_room_wait_and_the_first_of_them_longest(clock: Clock) -> None:
    activity = Activity(clock)
    ends = []
    for _ in range(4):
        ends.append(activity.begin("planner"))
        clock.now += 1
    one = told(activity, room=2)
    assert (one.calls, one.waiting, one.wait) == (4, 2, 2.0)
    assert told(activity, room=None).waiting == 0
    assert told(activity, room=0).wait == 4.0
    ends[0]()
    assert (told(activity, room=2).waiting, told(activity, room=2).wait) == (1, 1.0)


def test_the_last_call_is_remembered_for_a_while_and_then_forgotten(clock: Clock) -> None:
    activity = Activity(clock)
    end = activity.begin("planner")
    assert told(activity).since_call == 0
    end()
    clock.now += 3
    assert (told(activity).calls, told(activity).since_call) == (0, 3.0)
    assert told(activity).since_llm is None
    clock.now += TOLD_FOR
    assert activity.demand(lambda _: 1) == ()


@pytest.fixture
async def host(places: Places) -> AsyncIterator[FakeHost]:
    async with FakeHost(places.host_socket) as made:
        yield made


async def demand(house: House) -> Demand:
    return Heard.model_validate(await house.facts()).demand


async def test_the_host_hears_of_calls_in_hand_and_of_those_that_wait(
    house: House, host: FakeHost, places: Places
) -> None:
    host.hold = asyncio.Event()
    async with FakeInstance(places.runtime) as instance:
        host.wakes["planner"] = (instance.endpoint,)
        await house.start(doors=[door("planner", port=0).model_dump()])
        await house.facts(full=True)
        assert (await demand(house)).agents == ()
        call = asyncio.create_task(house.post("/agents/planner/invoke", {"input": 1}, key=KEY))
        await until(lambda: host.asked)
        (one,) = (await demand(house)).agents
        assert (one.agent, one.calls, one.waiting) == ("planner", 1, 1)
        host.hold.set()
        assert (await call).status == 200
        (one,) = (await demand(house)).agents
        assert (one.calls, one.waiting) == (0, 0)
        assert one.since_call is not None
        assert (await demand(house)).busy == ()


async def test_the_host_hears_of_an_agents_calls_to_a_model(house: House, tmp_path: Path) -> None:
    async with FakeBackend() as backend:
        key = Key(name="planner", secret=KEY, agent=True)
        await house.start(route(backend), keys=[key.model_dump()])
        heard = await demand_in_full(house)
        assert (heard.llm.healthy, heard.llm.free, heard.llm.full) == (True, 2, False)
        assert heard.llm.bound > 0
        await house.post("/v1/chat/completions", ASK, key=KEY)
        (one,) = (await demand(house)).agents
        assert one.agent == "planner"
        assert one.since_llm is not None


ASK = {"model": "standard", "messages": [{"role": "user", "content": "tea?"}]}


async def demand_in_full(house: House) -> Demand:
    return Heard.model_validate(await house.facts(full=True)).demand
