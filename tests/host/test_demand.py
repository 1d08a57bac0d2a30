"""What a host does about the work that a real gateway tells it of: sleep, more instances, room."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sutazai.fleet.desired import Desired, DesiredUnit, Kind, Plan, Probe, Scaling
from sutazai.fleet.spec import MIB, Pool, Temperature
from sutazai.fleet.status import Event, State, UnitStatus
from tests.gateway.house import KEY, House, Reply, door
from tests.host.machine import Machine, agent, command, machine

HOST = """
import asyncio, sys
from pathlib import Path
from sutazai.fleet.places import Places
from sutazai.host.admission.room import Capacity
from sutazai.host.app import run
asyncio.run(run(Places.of(Path(sys.argv[1])), [], machine=Capacity(memory=2**30, cores=2)))
"""

PATIENT = """
import asyncio
from pathlib import Path
from sutazai.agent import Agent

class Patient(Agent):
    async def run(self, task):
        Path(f"{task.input}-{self.instance}").touch()
        while not Path(task.input).exists():
            await asyncio.sleep(0.02)
        return self.instance
"""

LISTENS = Probe(tcp=True, interval=0.1, grace=60.0)


@pytest.fixture(scope="module")
def program_of_host() -> str:
    return HOST


@pytest.fixture
async def fresh() -> AsyncIterator[Machine]:
    """A machine of its own, whose host never heard of a gateway."""
    async with machine(HOST) as running:
        yield running


@pytest.fixture
def authors_folder(tmp_path: Path) -> str:
    (tmp_path / "authored.py").write_text(PATIENT)
    return str(tmp_path)


@asynccontextmanager
async def gateway(one: Machine, *agents: str) -> AsyncIterator[House]:
    house = House(one.places, one.client)
    await house.start(doors=[door(name, port=0).model_dump() for name in agents])
    try:
        yield house
    finally:
        await house.close()


def call(house: House, name: str, value: Any) -> asyncio.Task[Reply]:
    post = house.post(f"/agents/{name}/invoke", {"input": value}, key=KEY)
    return asyncio.create_task(post)


async def until_event(one: Machine, holds: Callable[[Event], bool]) -> Event:
    async with asyncio.timeout(60):
        while True:
            if found := [event for event in await one.events() if holds(event)]:
                return found[0]
            await asyncio.sleep(0.05)


def program(name: str, **changes: Any) -> DesiredUnit:
    """A program of somebody else's that answers HTTP and tells nothing of its work."""
    words = (sys.executable, "-m", "http.server", "-b", "127.0.0.1", "{port}")
    more = {"kind": Kind.AGENT, "temperature": Temperature.COLD, "probe": LISTENS, **changes}
    return command(name, *words).model_copy(update=more)


def asleep(unit: UnitStatus) -> bool:
    return unit.state is State.ASLEEP


async def test_a_program_sleeps_once_nobody_calls_it_and_wakes_again(fresh: Machine) -> None:
    await fresh.want(program("web", idle_after=1.0))
    async with gateway(fresh, "web") as house:
        for _ in range(2):
            assert (await house.get("/agents/web/", key=KEY)).status == 200
            await fresh.until("web", asleep)


async def test_a_program_stays_awake_while_no_gateway_can_tell(fresh: Machine) -> None:
    await fresh.want(program("web", idle_after=0.1))
    await fresh.call("POST", "/units/web/wake")
    looks = 0
    while looks < 20:
        looks += 1
        assert (await fresh.unit("web")).state is State.HEALTHY
        await asyncio.sleep(0.05)


async def test_instances_are_added_while_calls_wait_and_end_when_they_are_idle(
    fresh: Machine, authors_folder: str, tmp_path: Path
) -> None:
    scale = Scaling(most=2, wait=0.1, cooldown=0.5)
    options = {"agent": "worker", "concurrency": 1}
    worker = agent("worker", "authored:Patient", directory=authors_folder, options=options)
    await fresh.want(worker.model_copy(update={"scale": scale, "concurrency": 1}))
    gate = tmp_path / "gate"
    async with gateway(fresh, "worker") as house:
        await fresh.until("worker", lambda unit: unit.state is State.HEALTHY)
        calls = [call(house, "worker", str(gate)) for _ in range(8)]
        await fresh.until("worker", lambda unit: len(unit.instances) == 2, within=60)
        first = await until_event(fresh, lambda event: event.kind == "scaled")
        assert first.message.startswith("worker scaled from 1 to 2: ")
        assert "calls wait" in first.message
        await fresh.until("worker", lambda _: len([*tmp_path.glob("gate-*")]) == 2)
        gate.touch()
        replies = await asyncio.gather(*calls)
        assert {reply.status for reply in replies} == {200}, "nothing is lost"
        assert len({reply.json["output"] for reply in replies}) == 2, "the waiting calls moved"
        await fresh.until("worker", lambda unit: len(unit.instances) == 1, within=60)
        down = [event for event in await fresh.events() if "from 2 to 1" in event.message]
        assert down


async def want(one: Machine, plan: Plan, *units: DesiredUnit) -> None:
    one.revision += 1
    desired = Desired(revision=one.revision, units=units, plan=plan)
    await one.call("PUT", "/desired", desired.model_dump(mode="json"))


def sized(name: str, size: int, **changes: Any) -> DesiredUnit:
    more = {"memory_limit": size * MIB, "temperature": Temperature.WARM, **changes}
    return agent(name, **more)


async def test_what_does_not_fit_waits_with_a_reason_and_goes_on_when_there_is_room(
    one: Machine,
) -> None:
    plan = Plan(pools={Pool.STANDARD: 200 * MIB})
    first, second = (sized(name, 128, temperature=Temperature.HOT) for name in ("a", "b"))
    await want(one, plan, first)
    await one.until("a", lambda unit: unit.state is State.HEALTHY)
    await want(one, plan, first, second)
    reason = "waits for memory: 128MiB wanted, 72MiB free of pool standard"
    waiting = await one.until("b", lambda unit: unit.reason == reason)
    assert waiting.state is State.WAITING
    await one.call("POST", "/units/a/stop")
    await one.until("b", lambda unit: unit.state is State.HEALTHY)


async def test_an_idle_unit_makes_room_for_one_that_is_called(one: Machine) -> None:
    plan = Plan(pools={Pool.STANDARD: 200 * MIB})
    await want(one, plan, sized("idle", 128, idle_after=3600.0), sized("called", 128))
    await one.call("POST", "/units/idle/wake")
    waking = asyncio.create_task(one.call("POST", "/units/called/wake"))
    await one.until("called", lambda unit: unit.state is State.HEALTHY, within=90)
    await asyncio.wait([waking])
    waking.exception()  # a slow machine takes longer than the caller waits
    assert asleep(await one.unit("idle"))
    made = await until_event(one, lambda event: event.kind == "made-room")
    assert "to make room for called, which waits for memory: 128MiB wanted" in made.message


async def test_a_new_version_takes_the_room_of_the_old_one(one: Machine) -> None:
    plan = Plan(pools={Pool.STANDARD: 200 * MIB})
    await want(one, plan, sized("a", 128, temperature=Temperature.HOT))
    await one.until("a", lambda unit: unit.state is State.HEALTHY)
    await want(one, plan, sized("a", 128, temperature=Temperature.HOT, version="2"))
    await one.until("a", lambda unit: [each.version for each in unit.instances] == ["2"])


async def test_a_new_host_counts_what_it_adopts(one: Machine) -> None:
    plan = Plan(pools={Pool.STANDARD: 200 * MIB})
    first, second = (sized(name, 128, temperature=Temperature.HOT) for name in ("a", "b"))
    await want(one, plan, first)
    before = await one.until("a", lambda unit: unit.state is State.HEALTHY)
    await one.kill_host()
    await one.until("a", lambda unit: unit.instances == before.instances)
    await want(one, plan, first, second)
    await one.until("b", lambda unit: unit.state is State.WAITING)
