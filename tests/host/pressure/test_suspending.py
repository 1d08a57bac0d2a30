"""A real host with real instances, on a machine whose memory runs short when the test says so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from sutazai.fleet.declared import Priority
from sutazai.fleet.desired import DesiredUnit, Standing
from sutazai.fleet.errors import InstanceLost, PeerClosed
from sutazai.fleet.spec import Temperature
from sutazai.fleet.status import Event, HostStatus, Level, State, UnitStatus
from sutazai.host.pressure.choice import IDLE_FOR
from sutazai.wire import Address
from tests.host.machine import Machine, agent, machine

HOST = """
import asyncio, sys
from pathlib import Path
from sutazai.fleet.places import Places
from sutazai.host.app import run
from sutazai.host.pressure.levels import Reading
from sutazai.host.pressure.policy import Policy

places = Places.of(Path(sys.argv[1]))
script = places.state / "percent"

def read():
    # So small a machine that one instance is always enough to end in one step.
    high, low, until = map(int, script.read_text().split()) if script.exists() else (50, 50, 0)
    running = len(list(places.instances.glob("*.json")))
    return Reading(10_000, 100 * (high if running > until else low))

asyncio.run(run(places, [], policy=Policy(calm=0.5), read_memory=read))
"""

WRITTEN_BY_AN_AUTHOR = """
import asyncio
from sutazai.agent import Agent

class Worker(Agent):
    async def run(self, task):
        await asyncio.sleep(task.input)
        return "done"

    async def on_pressure(self, pressure):
        print("heard", pressure.level, pressure.action, pressure.seconds)

class Leaky(Worker):
    async def run(self, task):
        self.leak = []
        while True:
            self.leak.append(b"x" * 200_000)
            await asyncio.sleep(0.1)
"""


@pytest.fixture
async def one() -> AsyncIterator[Machine]:
    """A machine of its own: what its host does depends on what it did before."""
    async with machine(HOST) as running:
        yield running


@pytest.fixture
def worker(tmp_path: Path) -> Callable[..., DesiredUnit]:
    (tmp_path / "authored.py").write_text(WRITTEN_BY_AN_AUTHOR)

    def make(name: str, priority: Priority = Priority.MEDIUM, **changes: Any) -> DesiredUnit:
        entry = changes.pop("entry", "authored:Worker")
        return agent(name, entry, directory=str(tmp_path), priority=priority, **changes)

    return make


def use(one: Machine, percent: int, *, then: int = 0, until: int = 0) -> None:
    """So much is in use; with ``then``, only until no more than ``until`` instances are left."""
    fresh = one.places.state / "percent.new"
    fresh.write_text(f"{percent} {then or percent} {until}")
    fresh.replace(one.places.state / "percent")


def healthy(unit: UnitStatus) -> bool:
    return unit.state is State.HEALTHY


def asleep(unit: UnitStatus) -> bool:
    return unit.state is State.ASLEEP


def pid_of(unit: UnitStatus) -> int:
    return unit.instances[0].pid


async def invoke(one: Machine, name: str, seconds: float, priority: str = "") -> Any:
    address = Address.parse(str((await one.unit(name)).instances[0].address))
    headers = [("x-sutazai-priority", priority)] if priority else []
    value = {"input": seconds}
    return await one.client.call("POST", address, "/invoke", value, headers=headers)


async def has_work(one: Machine, name: str) -> None:
    address = Address.parse(str((await one.unit(name)).instances[0].address))
    async with asyncio.timeout(60):
        while not (await one.client.call("GET", address, "/health"))["running"]:
            await asyncio.sleep(0.02)


async def idle(one: Machine, *names: str) -> None:
    """Waits until the host knows that these do nothing: who is idle first would be chosen first."""
    for name in names:
        address = Address.parse(str((await one.unit(name)).instances[0].address))
        async with asyncio.timeout(60):
            while (await one.client.call("GET", address, "/health"))["idle"] < IDLE_FOR + 2.0:
                await asyncio.sleep(0.05)


async def pressure(
    one: Machine, holds: Callable[[HostStatus], bool], within: float = 60
) -> HostStatus:
    async with asyncio.timeout(within):
        while not holds(status := await one.status()):
            await asyncio.sleep(0.05)
    return status


async def events(one: Machine, kind: str, count: int, within: float = 60) -> list[Event]:
    """The first of that kind, as soon as there are so many."""
    async with asyncio.timeout(within):
        while len(found := [each for each in await one.events() if each.kind == kind]) < count:
            await asyncio.sleep(0.05)
    return found[:count]


async def event(one: Machine, kind: str) -> Event:
    (first,) = await events(one, kind, 1)
    return first


async def test_the_lowest_idle_agents_are_suspended_and_come_back_on_demand(
    one: Machine, worker: Callable[..., DesiredUnit]
) -> None:
    low = Priority.LOW
    await one.want(
        worker("low-a", low), worker("low-b", low), worker("busy", low), worker("mid"),
        worker("vital", low, standing=Standing.CRITICAL),
    )  # fmt: skip
    others = ("busy", "mid", "vital")
    for name in ("low-a", "low-b", *others):
        await one.until(name, healthy)
    before = [pid_of(await one.unit(name)) for name in others]
    work = asyncio.create_task(invoke(one, "busy", 600))
    await has_work(one, "busy")
    await idle(one, "low-a", "low-b")

    use(one, 90, then=75, until=3)
    for name in ("low-a", "low-b"):
        unit = await one.until(name, asleep)
        assert "suspended, memory is short (critical: 90 % of" in unit.reason
        assert unit.restarts == 0
    status = await pressure(one, lambda status: status.pressure.level is Level.WARNING)
    assert (status.pressure.percent, status.pressure.withheld) == (75, 2)
    assert [pid_of(await one.unit(name)) for name in others] == before
    log = one.places.logs / "low-a.log"
    await one.until("low-a", lambda _: "heard critical suspend 2" in log.read_text())
    await the_figures_are_told(one)

    use(one, 75)
    await one.call("POST", "/units/low-a/wake")
    assert (await invoke(one, "low-a", 0))["output"] == "done"
    assert asleep(await one.unit("low-b"))

    use(one, 50)
    await one.until("low-b", healthy)
    assert (await pressure(one, lambda one: one.pressure.level is Level.NORMAL)).units
    work.cancel()


async def the_figures_are_told(one: Machine) -> None:
    """Each action is an event; here each ended one agent."""
    told = await events(one, "pressure-suspend", 2)
    assert [each.data["after"]["percent"] for each in told] == [90, 75]
    ended = []
    for each in told:
        (chosen,) = each.data["chosen"]
        ended.append((chosen["unit"], chosen["outcome"]))
        assert chosen["why"].startswith("low priority, idle for ")
        assert (each.data["level"], each.data["percent"]) == ("critical", 90)
        assert each.data["freed"] == chosen["memory"] > 0
        assert json.dumps(each.data)
    assert sorted(ended) == [("low-a", "ended"), ("low-b", "ended")]
    levels = [each.data.get("level") for each in await one.events() if each.kind == "pressure"]
    assert "critical" in levels


async def test_a_cold_start_waits_until_memory_is_plentiful_and_says_why(
    one: Machine, worker: Callable[..., DesiredUnit]
) -> None:
    use(one, 75)
    await one.want(worker("cold", temperature=Temperature.COLD), worker("warm", temperature="warm"))
    await pressure(one, lambda one: one.pressure.level is Level.WARNING)
    assert (await one.call("POST", "/units/warm/wake"))["endpoints"]
    call = asyncio.create_task(one.call("POST", "/units/cold/wake"))
    unit = await one.until("cold", lambda unit: unit.state is State.WAITING)
    assert unit.reason.startswith("waits for memory (warning: 75 % of")
    assert not call.done()
    use(one, 50)
    assert (await call)["endpoints"]


async def test_warning_sends_an_idle_warm_agent_to_sleep(
    one: Machine, worker: Callable[..., DesiredUnit]
) -> None:
    await one.want(worker("warm", temperature=Temperature.WARM), worker("hot"))
    await one.until("hot", healthy)
    await one.call("POST", "/units/warm/wake")
    use(one, 75, then=60, until=1)
    await one.until("warm", asleep)
    assert healthy(await one.unit("hot"))


async def test_an_emergency_kills_the_lowest_but_not_what_a_higher_task_waits_for(
    one: Machine, worker: Callable[..., DesiredUnit]
) -> None:
    low = Priority.LOW
    await one.want(
        worker("waited-for", low), worker("leaky", low, entry="authored:Leaky"), worker("mid")
    )
    for name in ("waited-for", "leaky", "mid"):
        await one.until(name, healthy)
    work = asyncio.create_task(invoke(one, "waited-for", 600, priority="high"))
    lost = asyncio.create_task(invoke(one, "leaky", 0))
    for name in ("waited-for", "leaky"):
        await has_work(one, name)

    use(one, 97, then=89, until=2)
    unit = await one.until("leaky", asleep)
    assert "killed, memory is short (emergency: 97 % of" in unit.reason
    with pytest.raises((PeerClosed, InstanceLost)):
        await lost
    assert healthy(await one.unit("waited-for"))
    assert healthy(await one.unit("mid"))
    told = await event(one, "pressure-kill")
    assert [each["unit"] for each in told.data["chosen"]] == ["leaky"]
    work.cancel()


async def test_where_nothing_may_be_ended_it_says_so(
    one: Machine, worker: Callable[..., DesiredUnit]
) -> None:
    await one.want(worker("llm", standing=Standing.PROTECTED))
    llm = pid_of(await one.until("llm", healthy))
    use(one, 97)
    assert (await event(one, "pressure-stuck")).data["level"] == "emergency"
    assert pid_of(await one.unit("llm")) == llm
