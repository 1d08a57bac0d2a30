"""What a host does with real processes, told as stories of one machine."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from sutazai.fleet.desired import Probe
from sutazai.fleet.errors import NotFound, Unavailable
from sutazai.fleet.spec import Temperature
from sutazai.fleet.status import State, UnitStatus
from sutazai.wire import Address
from tests.host.machine import Machine, agent, command

WRITTEN_BY_AN_AUTHOR = """
import asyncio, os, time
from sutazai.agent import Agent

class Echo(Agent):
    async def run(self, task):
        print("asked for", task.input)
        return os.getpid()

class Frozen(Agent):
    async def run(self, task):
        time.sleep(60)

class NotAnAgent:
    pass
"""


@pytest.fixture
def authors_folder(tmp_path: Path) -> str:
    (tmp_path / "authored.py").write_text(WRITTEN_BY_AN_AUTHOR)
    return str(tmp_path)


def healthy(unit: UnitStatus) -> bool:
    return unit.state is State.HEALTHY


def pid_of(unit: UnitStatus) -> int:
    return unit.instances[0].pid


async def invoke(one: Machine, unit: UnitStatus, text: str) -> object:
    address = Address.parse(str(unit.instances[0].address))
    return (await one.client.call("POST", address, "/invoke", {"input": text}))["output"]


async def test_a_hot_agent_becomes_healthy_and_works(one: Machine, authors_folder: str) -> None:
    await one.want(agent("echo", "authored:Echo", directory=authors_folder))
    unit = await one.until("echo", healthy)
    assert await invoke(one, unit, "tea") == pid_of(unit)
    log = one.places.logs / "echo.log"
    await one.until("echo", lambda _: "asked for tea" in log.read_text())


async def test_a_killed_instance_is_replaced_and_the_reason_is_kept(one: Machine) -> None:
    await one.want(agent("echo"))
    old = pid_of(await one.until("echo", healthy))
    os.kill(old, signal.SIGKILL)
    unit = await one.until("echo", lambda unit: healthy(unit) and pid_of(unit) != old)
    assert unit.restarts == 1
    assert unit.last_exit is not None
    assert unit.last_exit.signal == "SIGKILL"


async def test_an_exit_status_and_the_last_lines_are_kept(one: Machine) -> None:
    await one.want(command("brief", "sh", "-c", "echo out of tea; sleep 0.3; exit 17"))
    unit = await one.until("brief", lambda unit: unit.last_exit is not None)
    assert unit.last_exit is not None
    assert unit.last_exit.status == 17
    assert unit.last_exit.lines == ("out of tea",)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("no_such_module:Agent", "there is no module no_such_module"),
        ("authored:NoSuchClass", "is not an agent class"),
        ("authored:NotAnAgent", "is not an agent class"),
    ],
)
async def test_an_agent_that_cannot_start_says_why(
    one: Machine, authors_folder: str, entry: str, reason: str
) -> None:
    await one.want(agent("broken", entry, directory=authors_folder))
    unit = await one.until("broken", lambda unit: unit.last_exit is not None)
    assert unit.last_exit is not None
    assert reason in "\n".join(unit.last_exit.lines)


async def test_a_missing_program_is_not_installed_rather_than_failing(one: Machine) -> None:
    await one.want(command("absent", "no-such-program-anywhere"))
    unit = await one.until("absent", lambda unit: unit.state is State.NOT_INSTALLED)
    assert "no-such-program-anywhere" in unit.reason


async def test_an_instance_that_does_not_answer_is_replaced(
    one: Machine, authors_folder: str
) -> None:
    probe = Probe(path="/health", interval=0.1, timeout=0.2, failures=2, grace=60.0)
    await one.want(
        agent("frozen", "authored:Frozen", directory=authors_folder, probe=probe, stop_timeout=0.3)
    )
    unit = await one.until("frozen", healthy)
    old = pid_of(unit)
    call = asyncio.create_task(invoke(one, unit, "freeze"))
    await one.until("frozen", lambda unit: healthy(unit) and pid_of(unit) != old)
    await asyncio.wait([call])
    assert call.exception() is not None


async def test_a_warm_agent_sleeps_until_woken_and_again_when_idle(one: Machine) -> None:
    await one.want(agent("warm", temperature=Temperature.WARM, idle_after=0.5))
    assert (await one.unit("warm")).state is State.ASLEEP
    endpoints = (await one.call("POST", "/units/warm/wake"))["endpoints"]
    assert [endpoint["agent"] for endpoint in endpoints] == ["warm"]
    await one.until("warm", lambda unit: unit.state is State.ASLEEP)
    assert (await one.call("POST", "/units/warm/wake"))["endpoints"] != endpoints


async def test_a_thousand_callers_wake_one_instance(one: Machine) -> None:
    await one.want(agent("warm", temperature=Temperature.WARM))
    await asyncio.gather(*(one.call("POST", "/units/warm/wake") for _ in range(200)))
    assert len((await one.unit("warm")).instances) == 1


async def test_waking_what_cannot_start_is_told_the_reason(one: Machine) -> None:
    await one.want(
        command("brittle", "sh", "-c", "echo no; exit 3", temperature=Temperature.COLD).model_copy(
            update={"probe": Probe(path="/health", grace=60.0)}
        )
    )
    with pytest.raises(Unavailable, match="exited with status 3"):
        await one.call("POST", "/units/brittle/wake")
    with pytest.raises(NotFound):
        await one.call("POST", "/units/nobody/wake")


async def test_stop_start_and_restart_are_obeyed(one: Machine) -> None:
    await one.want(agent("echo"))
    first = pid_of(await one.until("echo", healthy))
    await one.call("POST", "/units/echo/stop")
    await one.until("echo", lambda unit: unit.state is State.STOPPED)
    await one.call("POST", "/units/echo/start")
    second = pid_of(await one.until("echo", healthy))
    await one.call("POST", "/units/echo/restart")
    third = await one.until("echo", lambda unit: healthy(unit) and pid_of(unit) != second)
    assert len({first, second, pid_of(third)}) == 3
    assert third.restarts == 0


async def test_a_unit_starts_after_what_it_depends_on(one: Machine, tmp_path: Path) -> None:
    door = tmp_path / "open"
    serve = f"exec {sys.executable} -m http.server -b 127.0.0.1 {{port}}"
    script = f"while [ ! -e {door} ]; do sleep 0.02; done; {serve}"
    database = command("database", "sh", "-c", script, probe=Probe(tcp=True, interval=0.1))
    await one.want(agent("reader", depends_on=("database",)), database)
    await one.until("reader", lambda unit: unit.state is State.WAITING)
    door.touch()
    await one.until("reader", healthy)
    assert (await one.unit("database")).state is State.HEALTHY


async def test_a_new_version_replaces_the_old_one_without_a_gap(one: Machine) -> None:
    await one.want(agent("echo"), agent("other"))
    old, other = pid_of(await one.until("echo", healthy)), await one.until("other", healthy)
    await one.want(agent("echo", version="2"), agent("other"))
    new = await one.until("echo", lambda unit: [i.version for i in unit.instances] == ["2"])
    assert pid_of(new) != old
    assert pid_of(await one.unit("other")) == pid_of(other)


async def test_what_is_no_longer_declared_ends_and_is_forgotten(one: Machine) -> None:
    await one.want(agent("echo"), agent("other"))
    await one.until("echo", healthy)
    await one.want(agent("other"))
    async with asyncio.timeout(60):
        while [unit.name for unit in (await one.status()).units] != ["other"]:
            await asyncio.sleep(0.02)


async def test_a_new_host_adopts_what_runs_and_notices_what_ended_meanwhile(
    one: Machine, authors_folder: str
) -> None:
    chatty = command("chatty", "sh", "-c", "i=0; while sleep 0.05; do i=$((i+1)); echo $i; done")
    await one.want(
        agent("echo", "authored:Echo", directory=authors_folder), agent("mortal"), chatty
    )
    before = [await one.until(name, healthy) for name in ("echo", "mortal", "chatty")]
    host = (await one.status()).pid
    os.kill(host, signal.SIGKILL)
    os.kill(pid_of(before[1]), signal.SIGKILL)
    mortal = await one.until(
        "mortal", lambda unit: healthy(unit) and pid_of(unit) != pid_of(before[1])
    )
    assert (await one.status()).pid != host
    assert pid_of(mortal) != pid_of(before[1])
    assert pid_of(await one.until("echo", healthy)) == pid_of(before[0])
    assert pid_of(await one.until("chatty", healthy)) == pid_of(before[2])
    assert await invoke(one, await one.unit("echo"), "still there") == pid_of(before[0])
    assert (await one.unit("echo")).restarts == 0
    lines = (one.places.logs / "chatty.log").read_text().splitlines()
    numbers = [int(line.rpartition("|")[2]) for line in lines]
    assert numbers == list(range(1, len(numbers) + 1)), "no line was lost"


async def test_killing_the_zygote_kills_no_instance(one: Machine) -> None:
    await one.want(agent("echo"))
    echo = await one.until("echo", healthy)
    for zygote in zygotes_of((await one.status()).pid):
        os.kill(zygote, signal.SIGKILL)
    await one.want(agent("echo"), agent("late"))
    await one.until("late", healthy)
    assert pid_of(await one.unit("echo")) == pid_of(echo)


def zygotes_of(host: int) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*/comm"):
        try:
            parent = process.with_name("stat").read_text().rpartition(")")[2].split()[1]
            if process.read_text().strip() == "zygote" and int(parent) == host:
                found.append(int(process.parent.name))
        except OSError:  # it ended meanwhile
            continue
    return found


async def test_a_crash_loop_ends_in_failed_with_its_reason(one: Machine) -> None:
    await one.want(command("loop", "sh", "-c", "exit 9"), agent("good"))
    await one.until("good", healthy)
    for _ in range(8):
        await one.call("POST", "/units/good/start")
    unit = await one.until("loop", lambda unit: unit.restarts >= 3)
    assert unit.last_exit is not None
    assert unit.last_exit.status == 9
    assert (await one.unit("good")).restarts == 0


async def test_the_end_of_a_program_takes_its_children_along(one: Machine, tmp_path: Path) -> None:
    child = tmp_path / "child"
    await one.want(command("parent", "sh", "-c", f"sleep 1000 & echo $! > {child}; exec sleep 999"))
    await one.until("parent", lambda unit: healthy(unit) and child.exists())
    await one.call("POST", "/units/parent/stop")
    await one.until("parent", lambda unit: unit.state is State.STOPPED)
    async with asyncio.timeout(60):
        while Path(f"/proc/{child.read_text().strip()}").exists():
            await asyncio.sleep(0.02)


async def test_a_damaged_record_or_copy_of_what_is_wanted_stops_nobody(one: Machine) -> None:
    await one.want(agent("echo"))
    echo = await one.until("echo", healthy)
    (one.places.instances / "torn-12345.json").write_text('{"instance": "torn')
    await one.kill_host()
    assert pid_of(await one.until("echo", healthy)) == pid_of(echo)
    one.places.desired.write_text(json.dumps({"revision": "many"}))
    await one.kill_host()
    assert pid_of(await one.until("echo", healthy)) == pid_of(echo)
