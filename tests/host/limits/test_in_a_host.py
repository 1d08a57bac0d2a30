"""Limits at work: a real host, real instances, the groups that this machine has."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sutazai.fleet.declared import Priority
from sutazai.fleet.errors import SutazaiError
from sutazai.fleet.spec import Runtime
from sutazai.fleet.status import InstanceStatus, State, UnitStatus
from sutazai.host.limits.place import read_place
from sutazai.wire import Address
from tests.host.limits.kernels import until_dead
from tests.host.machine import Machine, agent, command, machine, visited

MIB = 1024**2
WITHIN = 60.0

AUTHORED = """
import asyncio, os, subprocess, sys
from sutazai.agent import Agent

class Echo(Agent):
    async def run(self, task):
        return os.getpid()

class Hog(Agent):
    async def run(self, task):
        hoard = []
        while True:
            hoard.append(bytearray(1024 * 1024))
            await asyncio.sleep(0)

class Tool(Agent):
    async def run(self, task):
        program = [sys.executable, "-c", "hoard = bytearray(512 * 1024 * 1024)"]
        return (await asyncio.to_thread(subprocess.run, program)).returncode
"""
BOMB = """
import os, time
count = 0
while True:
    try:
        if not os.fork():
            time.sleep(600)
            os._exit(0)
        count += 1
    except BlockingIOError:
        print("bounded at", count, flush=True)
        time.sleep(600)
"""
ESCAPES = """
import os, sys, time
if not os.fork():
    os.setsid()
    print("escaped", os.getpid(), flush=True)
time.sleep(600)
"""
"""Leaves its session and its process group: nothing but its control group still holds it."""


@pytest.fixture
async def one(standing_machine: Machine) -> AsyncIterator[Machine]:
    """A machine whose kernel holds limits."""
    async with visited(standing_machine) as running:
        status = await running.status()
        if status.limits == "accounting":
            pytest.skip(f"no limits are held here: {status.limits_why}")
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> str:
    (tmp_path / "authored.py").write_text(AUTHORED)
    return str(tmp_path)


def healthy(unit: UnitStatus) -> bool:
    return unit.state is State.HEALTHY


async def invoke(one: Machine, unit: UnitStatus) -> object:
    address = Address.parse(str(unit.instances[0].address))
    return (await one.client.call("POST", address, "/invoke", {"input": "go"}))["output"]


async def said(one: Machine, name: str, words: str) -> str:
    """What follows ``words`` in a unit's log, as soon as it is there."""
    log = one.places.logs / f"{name}.log"
    async with asyncio.timeout(WITHIN):
        while True:
            if log.exists() and words in (text := log.read_text()):
                return text.partition(words)[2].split("\n")[0].strip()
            await asyncio.sleep(0.02)


def groups_of(one: Machine) -> dict[str, Path]:
    place = read_place(one.places.groups)
    assert place is not None
    return place.parents


async def test_one_that_takes_too_much_memory_dies_alone_and_is_told_why(
    one: Machine, folder: str
) -> None:
    await one.want(
        agent("hog", "authored:Hog", directory=folder, memory_limit=64 * MIB),
        agent("echo", "authored:Echo", directory=folder, memory_limit=64 * MIB),
    )
    hog, echo = [await one.until(name, healthy, WITHIN) for name in ("hog", "echo")]
    dying = asyncio.create_task(invoke(one, hog))
    while not dying.done():
        assert await invoke(one, echo) == echo.instances[0].pid
    assert isinstance(dying.exception(), SutazaiError)

    hog = await one.until("hog", lambda unit: unit.last_exit is not None and healthy(unit), WITHIN)
    assert hog.last_exit is not None
    assert hog.last_exit.reason == "out of memory: peak 64MiB of 64MiB"
    assert hog.last_exit.out_of_memory
    assert (hog.last_exit.peak, hog.last_exit.limit) == (64 * MIB, 64 * MIB)
    ended = next(event for event in await one.events() if event.kind == "ended")
    assert "out of memory: peak 64MiB of 64MiB" in ended.message
    assert (ended.data["out_of_memory"], ended.data["peak"]) == (True, 64 * MIB)
    assert (await one.unit("echo")).instances[0].pid == echo.instances[0].pid


async def test_an_agent_outlives_a_tool_that_took_too_much(one: Machine, folder: str) -> None:
    await one.want(agent("tool", "authored:Tool", directory=folder, memory_limit=64 * MIB))
    unit = await one.until("tool", healthy, WITHIN)
    assert await invoke(one, unit) == -signal.SIGKILL
    after = await one.unit("tool")
    assert (after.instances[0].pid, after.restarts) == (unit.instances[0].pid, 0)


async def test_a_kill_by_somebody_else_is_not_taken_for_want_of_memory(one: Machine) -> None:
    await one.want(agent("one", memory_limit=256 * MIB))
    os.kill((await one.until("one", healthy, WITHIN)).instances[0].pid, signal.SIGKILL)
    unit = await one.until("one", lambda unit: unit.last_exit is not None, WITHIN)
    assert unit.last_exit is not None
    assert (unit.last_exit.reason, unit.last_exit.out_of_memory) == ("killed by SIGKILL", False)


async def test_a_program_is_in_its_groups_before_it_begins(one: Machine) -> None:
    script = "cat /proc/self/cgroup; echo files $(ulimit -Hn); echo told; sleep 600"
    await one.want(agent("early", runtime=Runtime.COMMAND, command=("sh", "-c", script)))
    await said(one, "early", "told")
    log = (one.places.logs / "early.log").read_text()
    instance = (await one.unit("early")).instances[0].instance
    for parent in set(groups_of(one).values()):
        assert f"{parent.name}/{instance}" in log
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert f"files {min(hard, 4096)}\n" in log


async def test_a_fork_bomb_is_bounded_and_ends_as_a_whole(one: Machine) -> None:
    if "pids" not in groups_of(one) and (await one.status()).limits == "cgroup-v1":
        pytest.skip("there is no pids controller that we may write to")
    bomb = (sys.executable, "-S", "-E", "-c", BOMB)
    await one.want(agent("bomb", runtime=Runtime.COMMAND, command=bomb, probe={"grace": 60.0}))
    assert int(await said(one, "bomb", "bounded at")) == 511
    started = (await one.unit("bomb")).instances[0]
    procs = groups_of(one)["memory"] / started.instance / "cgroup.procs"
    assert len(procs.read_text().split()) == 512
    await one.call("POST", "/units/bomb/stop")
    await one.until("bomb", lambda unit: not unit.instances, WITHIN)
    assert not procs.exists()


async def test_what_left_its_session_ends_with_its_instance(one: Machine) -> None:
    await one.want(command("leaver", sys.executable, "-S", "-c", ESCAPES))
    escaped = int(await said(one, "leaver", "escaped"))
    await one.call("POST", "/units/leaver/stop")
    await until_dead(escaped)


async def test_a_new_host_keeps_the_groups_of_the_living_and_sweeps_the_others(
    one: Machine,
) -> None:
    await one.want(command("leaver", sys.executable, "-S", "-c", ESCAPES), agent("stays"))
    stays = await one.until("stays", healthy, WITHIN)
    escaped = int(await said(one, "leaver", "escaped"))
    old = (await one.unit("leaver")).instances[0]
    await one.kill_host()
    os.kill(old.pid, signal.SIGKILL)
    await until_dead(escaped)
    await one.until("leaver", lambda unit: unit.state is State.HEALTHY, WITHIN)
    for parent in groups_of(one).values():
        assert not (parent / old.instance).exists()
        assert (parent / stays.instances[0].instance).exists()
    assert (await one.unit("stays")).instances[0].pid == stays.instances[0].pid


async def test_another_share_of_the_cores_needs_no_restart(one: Machine) -> None:
    await one.want(agent("one", priority=Priority.LOW))
    before = (await one.until("one", healthy, WITHIN)).instances[0]
    await one.want(agent("one", priority=Priority.HIGH, cpu=2.0))
    weights = {"cgroup-v1": ("cpu.shares", "4096"), "cgroup-v2": ("cpu.weight", "400")}
    name, weight = weights[(await one.status()).limits]
    group = groups_of(one).get("cpu", groups_of(one)["memory"]) / before.instance
    if (group / name).exists():
        await one.until("one", lambda _: (group / name).read_text().strip() == weight)
    assert (await one.unit("one")).instances[0].pid == before.pid


async def test_what_instances_take_is_told_when_it_is_asked_for(one: Machine) -> None:
    await one.want(agent("one", memory_limit=512 * MIB))
    assert (await one.until("one", healthy, WITHIN)).instances[0].memory is None
    measured = (await one.call("GET", "/status?memory=1"))["units"][0]["instances"][0]
    told = InstanceStatus.model_validate(measured)
    assert told.memory is not None and told.peak is not None and told.cpu is not None
    assert 0 < told.memory <= told.peak <= 512 * MIB
    assert (told.limit, told.reserved) == (512 * MIB, 128 * MIB)
    assert told.cpu > 0


async def test_nothing_is_left_when_the_host_ends(folder: str) -> None:
    async with machine() as ended:
        await ended.want(agent("one"))
        await ended.until("one", healthy, WITHIN)
        place = read_place(ended.places.groups)
    for parent in place.parents.values() if place else ():
        assert not parent.exists()
