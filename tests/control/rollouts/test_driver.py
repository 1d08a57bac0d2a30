"""A rollout is driven to its end over control's own restarts, and back when it must."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from sutazai.control.api.parts import Parts
from sutazai.fleet.errors import Conflict
from sutazai.fleet.places import Places
from sutazai.fleet.revisions import Application
from sutazai.fleet.rollouts import NoTraffic, RolloutPlan, Step
from sutazai.fleet.spec import Agent, Fleet, Temperature
from sutazai.fleet.work import TaskRequest, WorkState
from sutazai.gateway.callers.handed import TASK, UNIT
from sutazai.rollout.machine import Command
from tests.control.conftest import TOKEN, eventually, running_control, small_fleet
from tests.control.peers import FakeGateway, FakeHost

QUICK = RolloutPlan.model_validate(
    {
        "phases": [{"percent": 100, "for": "1s"}],
        "warm": "0s",
        "validate": "1s",
        "bake": "1s",
        "extension": "0s",
        "no_traffic": "ask",
        "start": "1m",
        "drain": "1s",
    }
)
GREEN, BASELINE = "planner@2", "planner@1"


REPLAYS = QUICK.model_copy(update={"no_traffic": NoTraffic.REPLAY, "extension": 3600.0})


def fleet(prompt: str, plan: RolloutPlan, *, replayable: bool) -> Fleet:
    small = small_fleet()
    planner = Agent(prompt=prompt, temperature=Temperature.HOT, port=10460, replayable=replayable)
    agents = {**small.agents, "planner": planner}
    return small.model_copy(update={"agents": agents, "rollout": plan})


def application(prompt: str, plan: RolloutPlan = QUICK, *, replayable: bool = False) -> Application:
    spec = fleet(prompt, plan, replayable=replayable).model_dump(mode="json", by_alias=True)
    return Application(fleet=spec, author="ann")


@pytest.fixture
async def begun(places: Places, host: FakeHost, gateway: FakeGateway) -> AsyncIterator[Parts]:
    """A control that has just begun to move the planner to revision 2."""
    async with running_control(places) as (parts, _):
        await eventually(lambda: host.pushed and gateway.pushed)
        await parts.reviser.apply(application("Plan better."))
    async with running_control(places) as (parts, _):
        yield parts


async def step(parts: Parts, *wanted: Step) -> None:
    await eventually(lambda: parts.rollouts.state and parts.rollouts.state.step in wanted, 30)


async def steps_told(parts: Parts) -> list[str]:
    """The steps that the event log tells of, in order."""
    events = await parts.feed.newest(200)
    return [event.data["step"] for event in events if event.kind == "rollout" and event.data]


def units(host: FakeHost) -> set[str]:
    return {unit.name for unit in host.pushed[-1].units}


def weights(gateway: FakeGateway) -> dict[str, float]:
    (door,) = [door for door in gateway.pushed[-1].doors if door.agent == "planner"]
    return dict(door.weights)


async def test_without_traffic_it_waits_for_a_person_and_goes_on_at_their_word(
    begun: Parts, host: FakeHost, gateway: FakeGateway
) -> None:
    await step(begun, Step.INCONCLUSIVE)
    assert {"planner", GREEN, BASELINE} <= units(host)
    assert weights(gateway) == {"planner": 0.0, GREEN: 0.5, BASELINE: 0.5}
    for _ in range(2):
        await step(begun, Step.INCONCLUSIVE)
        await begun.rollouts.tell(Command.PROMOTE, "ann")
    await step(begun, Step.SUCCEEDED)
    await eventually(lambda: not weights(gateway))
    assert units(host) & {GREEN, BASELINE} == set()
    async with asyncio.timeout(30):
        while (told := await steps_told(begun))[-1] != "succeeded":
            await asyncio.sleep(0.02)
    assert told[0] == "pending"


async def test_who_is_not_changed_is_left_alone(begun: Parts, host: FakeHost) -> None:
    await step(begun, Step.INCONCLUSIVE)
    first, last = (
        {unit.name: unit for unit in each.units} for each in (host.pushed[0], host.pushed[-1])
    )
    for name in ("executor", "reviewer"):
        assert first[name].version == last[name].version
    assert first["planner"].version == last["planner"].version != last[GREEN].version
    assert last[BASELINE].version == first["planner"].version


async def test_a_crash_of_the_new_version_sends_everything_back(
    begun: Parts, host: FakeHost, gateway: FakeGateway, places: Places
) -> None:
    await step(begun, Step.INCONCLUSIVE)
    host.states[GREEN] = "failed"
    await step(begun, Step.ROLLED_BACK)
    back = [door for routes in gateway.pushed for door in routes.doors if not door.loyal]
    assert back and all(dict(door.weights)["planner"] == 1.0 for door in back)
    await asyncio.wait_for(begun.renewing.wait(), 10)
    newest = await begun.revisions.newest()
    assert newest is not None and (newest.number, newest.author) == (3, "rollout")
    assert newest.spec["agents"]["planner"]["prompt"] == "Plan."


async def test_a_version_that_is_never_healthy_gets_no_call(
    places: Places, host: FakeHost, gateway: FakeGateway
) -> None:
    host.states[GREEN] = "starting"
    async with running_control(places) as (parts, _):
        await eventually(lambda: host.pushed and gateway.pushed)
        await parts.reviser.apply(application("Plan better."))
    async with running_control(places) as (parts, _):
        await step(parts, Step.BASELINE_UP)
        await parts.rollouts.tell(Command.ABORT, "ann")
        await step(parts, Step.ROLLED_BACK)
    shared = [door for routes in gateway.pushed for door in routes.doors if door.agent == "planner"]
    assert all(not door.weights.get(GREEN) for door in shared)


async def test_another_fleet_is_not_accepted_meanwhile(begun: Parts) -> None:
    with pytest.raises(Conflict, match="rollout 1 moves agents to revision 2"):
        await begun.reviser.apply(application("Plan best."))


async def test_it_goes_on_where_it_was_after_control_has_died(
    begun: Parts, places: Places, host: FakeHost, gateway: FakeGateway
) -> None:
    await step(begun, Step.INCONCLUSIVE)
    begun.stopping.set()
    pushed = len(host.pushed)
    async with running_control(places) as (parts, url):
        await step(parts, Step.INCONCLUSIVE)
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=10) as api:
            view: dict[str, Any] = (await api.get("/api/v1/rollouts/current")).json()
            refused = await api.post("/api/v1/rollouts/current/pause", json={"by": "ann"})
        assert (view["number"], view["state"]["step"]) == (1, "inconclusive")
        assert refused.json()["error"]["code"] == "Conflict"
    assert all(
        {GREEN, BASELINE} <= {unit.name for unit in each.units} for each in host.pushed[pushed:]
    )


async def did(parts: Parts, *inputs: str) -> None:
    """The planner has done tasks with these inputs."""
    for each in inputs:
        await parts.work.task_desk.submit(TaskRequest(agent="planner", input=each))
    async with asyncio.timeout(60):
        while len(await parts.work.tasks.newest(state=WorkState.DONE)) < len(inputs):
            await asyncio.sleep(0.02)


def replays(gateway: FakeGateway) -> set[tuple[str, str]]:
    """What was replayed, and by which unit."""
    calls = zip(gateway.calls, gateway.headers, strict=True)
    told = ((body["input"], headers.get(UNIT)) for (_, body), headers in calls)
    return {(each, unit) for each, unit in told if unit is not None}


async def echo(body: dict[str, Any]) -> Any:
    return body["input"]


async def test_without_traffic_recorded_inputs_are_replayed_to_both_versions_once(
    places: Places, host: FakeHost, gateway: FakeGateway
) -> None:
    gateway.agents["planner"] = echo
    async with running_control(places) as (parts, _):
        await eventually(lambda: host.pushed and gateway.pushed)
        await did(parts, "a", "b")
        await parts.reviser.apply(application("Plan better.", REPLAYS, replayable=True))
    async with running_control(places) as (parts, _):
        wanted = {(each, unit) for each in ("a", "b") for unit in (GREEN, BASELINE)}
        await eventually(lambda: replays(gateway) >= wanted)
        named = [headers for headers in gateway.headers if UNIT in headers]
        assert replays(gateway) == wanted and len(named) == 4
        assert all((headers.get(TASK) or "").startswith("replay-") for headers in named)
        assert len(await parts.work.tasks.newest()) == 2, "nobody sees a task of it"


async def test_an_agent_that_is_not_replayable_is_given_nothing(
    places: Places, host: FakeHost, gateway: FakeGateway
) -> None:
    gateway.agents["planner"] = echo
    short = REPLAYS.model_copy(update={"extension": 1.0})
    async with running_control(places) as (parts, _):
        await eventually(lambda: host.pushed and gateway.pushed)
        await did(parts, "a")
        await parts.reviser.apply(application("Plan better.", short))
    async with running_control(places) as (parts, _):
        await step(parts, Step.INCONCLUSIVE)
        assert replays(gateway) == set()


async def test_the_status_shows_an_agent_with_the_instances_of_all_its_versions(
    begun: Parts, host: FakeHost
) -> None:
    await step(begun, Step.INCONCLUSIVE)
    host.states["planner"] = "asleep"
    status = await begun.status.read()
    (planner,) = [agent for agent in status.agents if agent.name == "planner"]
    assert (planner.state, planner.reason) == ("healthy", "it moves to another version")
    assert {one.instance for one in planner.instances} == {
        "planner-1",
        f"{GREEN}-1",
        f"{BASELINE}-1",
    }
