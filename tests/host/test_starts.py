"""In which order a host starts what is wanted, and when it starts something anew by itself."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from sutazai.fleet.desired import Probe
from sutazai.fleet.spec import Temperature
from sutazai.fleet.status import State, UnitStatus
from sutazai.host.units.turns import OUT_OF_TURN
from sutazai.wire import Address
from tests.host.machine import Machine, agent, command

SLOW = """
import asyncio, os
from pathlib import Path
from sutazai.agent import Agent

class Slow(Agent):
    async def run(self, task):
        Path(task.input).touch()
        while not Path(task.input + "-go-on").exists():
            await asyncio.sleep(0.02)
        return os.getpid()
"""


def healthy(unit: UnitStatus) -> bool:
    return unit.state is State.HEALTHY


def pid_of(unit: UnitStatus) -> int:
    return unit.instances[0].pid


def opens_with(door: Path) -> tuple[str, ...]:
    """A program that listens once ``door`` is there."""
    serve = f"exec {sys.executable} -m http.server -b 127.0.0.1 {{port}}"
    return ("sh", "-c", f"while [ ! -e {door} ]; do sleep 0.02; done; {serve}")


async def test_ten_start_at_once_and_the_others_say_what_they_wait_for(
    one: Machine, tmp_path: Path
) -> None:
    door = tmp_path / "open"
    names = [f"server-{number:02}" for number in range(13)]
    probe = Probe(tcp=True, grace=60.0)
    await one.want(
        *(command(name, *opens_with(door), probe=probe) for name in names), agent("last")
    )
    waiting = await one.until("last", lambda unit: unit.state is State.WAITING)
    assert waiting.reason == f"waits for {OUT_OF_TURN}"
    while len([unit for unit in (await one.status()).units if unit.instances]) < 10:
        await asyncio.sleep(0.02)
    states = [unit.state for unit in (await one.status()).units]
    assert states.count(State.STARTING) == 10
    assert states.count(State.WAITING) == 4
    door.touch()
    for name in (*names, "last"):
        await one.until(name, healthy, within=60)


async def test_a_call_comes_before_all_that_waits(one: Machine, tmp_path: Path) -> None:
    door = tmp_path / "open"
    hanging = [
        command(f"hangs-{number:02}", *opens_with(door), probe=Probe(tcp=True, grace=60.0))
        for number in range(30)
    ]
    await one.want(agent("called", temperature=Temperature.COLD), *hanging)
    await one.until("hangs-20", lambda unit: unit.state is State.WAITING)
    call = asyncio.create_task(one.call("POST", "/units/called/wake"))
    await one.until("called", lambda unit: unit.state is State.WAITING)
    await one.call("POST", "/units/hangs-00/stop")
    assert len((await call)["endpoints"]) == 1
    assert (await one.unit("hangs-29")).state is State.WAITING
    door.touch()


async def test_what_hangs_keeps_others_waiting_for_its_grace_only(
    one: Machine, tmp_path: Path
) -> None:
    never = tmp_path / "never"
    hanging = [
        command(f"hangs-{number:02}", *opens_with(never), probe=Probe(tcp=True, grace=0.5))
        for number in range(12)
    ]
    await one.want(*hanging, agent("good"))
    await one.until("good", healthy, within=60)
    for unit in hanging:
        await one.call("POST", f"/units/{unit.name}/stop")


async def test_a_dependent_is_restarted_with_what_it_says_and_others_go_on(one: Machine) -> None:
    database = command("database", "sleep", "1000", version="1")
    await one.want(
        database,
        agent("tied", depends_on=("database",), restart_with=("database",)),
        agent("loose", depends_on=("database",)),
    )
    tied, loose = [await one.until(name, healthy) for name in ("tied", "loose")]
    os.kill(pid_of(await one.unit("database")), signal.SIGKILL)
    again = await one.until("tied", lambda unit: healthy(unit) and pid_of(unit) != pid_of(tied))
    assert again.restarts == 0, "it is no fault of its own"
    assert pid_of(await one.unit("loose")) == pid_of(loose)
    await one.kill_host()
    assert pid_of(await one.until("tied", healthy)) == pid_of(again)


async def test_an_old_instance_makes_room_for_a_new_one_without_a_fault(one: Machine) -> None:
    await one.want(agent("old", replicas=2))
    first = await one.until("old", lambda unit: len(unit.instances) == 2 and healthy(unit))
    await one.want(agent("old", replicas=2, recycle_after=1.0))
    pids = {each.pid for each in first.instances}
    unit = await one.until(
        "old", lambda unit: healthy(unit) and not pids & {each.pid for each in unit.instances}
    )
    assert unit.restarts == 0
    told = [event for event in await one.events() if event.kind == "recycled"]
    assert len(told) >= 2
    assert told[0].data["age"] >= 1.0
    assert told[0].data["memory"] > 0


async def test_an_old_instance_ends_when_it_has_nothing_in_hand(
    one: Machine, tmp_path: Path
) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    slow = agent("slow", "slow:Slow", directory=str(tmp_path), options={"agent": "slow"})
    await one.want(slow)
    old = (await one.until("slow", healthy)).instances[0]
    at_work = tmp_path / "at-work"
    call = asyncio.create_task(invoke(one, old.address, str(at_work)))
    await one.until("slow", lambda _: at_work.exists())
    await one.want(slow.model_copy(update={"recycle_after": 0.5}))
    while not [event for event in await one.events() if event.kind == "recycled"]:
        await asyncio.sleep(0.02)
    await one.want(slow.model_copy(update={"recycle_after": 3600.0}))
    assert old.pid in {each.pid for each in (await one.unit("slow")).instances}
    (tmp_path / "at-work-go-on").touch()
    assert await call == old.pid
    await one.until("slow", lambda unit: [old.pid] != [each.pid for each in unit.instances])


async def invoke(one: Machine, address: str | None, text: str) -> Any:
    where = Address.parse(str(address))
    return (await one.client.call("POST", where, "/invoke", {"input": text}))["output"]
