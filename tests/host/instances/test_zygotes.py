"""Zygotes that hold the code of a class: what their forks share, and what cannot be forked."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sutazai.fleet.code import code_of
from sutazai.fleet.desired import DesiredUnit
from sutazai.fleet.status import State, UnitStatus
from sutazai.host.instances.process import Process
from sutazai.host.instances.zygote import Confines, Launch
from sutazai.host.instances.zygotes import Zygotes
from sutazai.wire import Address
from tests.host.machine import Machine, agent

MIB = 1024**2
PLENTY = 60.0
TEA = """
import os
from sutazai.agent import Agent

IMPORTED_IN = os.getpid()
SORT = os.environ.get("SORT", "black")
BALLAST = os.urandom({ballast})

class Tea(Agent):
    async def run(self, task):
        return {{"kind": "{kind}", "sort": SORT, "imported": IMPORTED_IN, "here": os.getpid()}}
"""


def write_tea(folder: Path, kind: str = "leaf", ballast: int = 1, first: str = "") -> str:
    """A module with an agent; ``first`` is what it does when it is imported."""
    (folder / "tea.py").write_text(first + TEA.format(kind=kind, ballast=ballast))
    return str(folder)


def tea(name: str, folder: str, **changes: Any) -> DesiredUnit:
    return agent(name, "tea:Tea", directory=folder, **changes)


def healthy(unit: UnitStatus) -> bool:
    return unit.state is State.HEALTHY


def ready(unit: UnitStatus) -> bool:
    """Whether its first instance takes calls: a unit of several is well with one of them."""
    return bool(unit.instances) and unit.instances[0].state is State.HEALTHY


def renewed(unit: UnitStatus, version: str) -> bool:
    return healthy(unit) and all(one.version == version for one in unit.instances)


async def asked(one: Machine, name: str) -> dict[str, Any]:
    unit = await one.until(name, ready, within=PLENTY)
    address = Address.parse(str(unit.instances[0].address))
    answer = await one.client.call("POST", address, "/invoke", {"input": "tea"})
    assert isinstance(answer["output"], dict)
    return answer["output"]


async def event(one: Machine, kind: str, unit: str) -> str:
    async with asyncio.timeout(PLENTY):
        while True:
            for each in await one.events():
                if (each.kind, each.unit) == (kind, unit):
                    return each.message
            await asyncio.sleep(0.05)


async def test_agents_of_one_class_share_what_it_imports(one: Machine, tmp_path: Path) -> None:
    folder = write_tea(tmp_path, ballast=24 * MIB)
    await one.want(*(tea(f"tea-{number}", folder) for number in range(3)))
    answers = [await asked(one, f"tea-{number}") for number in range(3)]
    (imported,) = {answer["imported"] for answer in answers}
    assert imported not in {answer["here"] for answer in answers}
    units = (await one.call("GET", "/status?memory=1"))["units"]
    assert all(unit["instances"][0]["pss"] < 20 * MIB for unit in units)


async def test_two_revisions_of_the_code_live_side_by_side(one: Machine, tmp_path: Path) -> None:
    folder = write_tea(tmp_path, "leaf")
    before = tea("before", folder, code=code_of(tmp_path, "tea:Tea"))
    await one.want(before)
    first = await asked(one, "before")
    write_tea(tmp_path, "powder")
    await one.want(before, tea("after", folder, code=code_of(tmp_path, "tea:Tea")))
    second = await asked(one, "after")
    assert (await asked(one, "before"))["kind"] == "leaf"
    assert second["kind"] == "powder"
    assert second["imported"] != first["imported"]


async def test_code_that_changed_since_it_was_declared_is_told(
    one: Machine, tmp_path: Path
) -> None:
    folder = write_tea(tmp_path, "leaf")
    await one.want(tea("tea", folder, code=code_of(tmp_path, "tea:Tea")))
    old = (await asked(one, "tea"))["here"]
    write_tea(tmp_path, "powder")
    os.kill(old, signal.SIGKILL)
    await one.until(
        "tea", lambda unit: healthy(unit) and unit.instances[0].pid != old, within=PLENTY
    )
    assert (await asked(one, "tea"))["kind"] == "powder"
    assert "another one than was accepted" in await event(one, "code-changed", "tea")


@pytest.mark.parametrize("replicas", [1, 2])
async def test_code_that_was_kept_is_what_starts_though_its_files_have_changed(
    one: Machine, tmp_path: Path, replicas: int
) -> None:
    """With one instance as a user of its own there is no zygote of its code."""
    folder, digest = write_tea(tmp_path, "leaf"), code_of(tmp_path, "tea:Tea")
    kept = one.places.kept_code / digest
    kept.mkdir(parents=True, exist_ok=True)
    write_tea(kept, "leaf")
    write_tea(tmp_path, "powder")
    await one.want(tea("tea", folder, code=digest, replicas=replicas))
    assert (await asked(one, "tea"))["kind"] == "leaf"
    await one.want(tea("tea", folder, code=code_of(tmp_path, "tea:Tea"), version="2"))
    await one.until("tea", lambda unit: renewed(unit, "2"), within=PLENTY)
    assert (await asked(one, "tea"))["kind"] == "powder"


async def test_code_is_imported_in_the_environment_of_its_agent(
    one: Machine, tmp_path: Path
) -> None:
    folder = write_tea(tmp_path)
    green = tea("green", folder, environment={"SORT": "green", "SUTAZAI_KEY": "secret"})
    await one.want(green, tea("plain", folder))
    assert (await asked(one, "green"))["sort"] == "green"
    assert (await asked(one, "plain"))["sort"] == "black"


WITH_A_THREAD = """
import threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
"""
FORGING = """
import json, os, socket
for number in os.listdir("/proc/self/fd"):
    try:
        with socket.socket(fileno=os.dup(int(number))) as host:
            answer = json.dumps({"id": 1, "pid": VICTIM, "start_time": 1})
            socket.send_fds(host, [answer.encode()], [os.pidfd_open(VICTIM)])
    except OSError:
        continue
"""


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (WITH_A_THREAD, "starts 1 thread(s)"),
        ("import asyncio\nLOOP = asyncio.new_event_loop()", "opens a"),
        ("import socket\nSOCKET = socket.socket()", "opens a connection"),
    ],
)
async def test_what_cannot_be_forked_runs_in_an_interpreter_of_its_own(
    one: Machine, tmp_path: Path, first: str, reason: str
) -> None:
    await one.want(tea("tea", write_tea(tmp_path, first=first)), agent("role"))
    answer = await asked(one, "tea")
    assert answer["imported"] == answer["here"]
    assert b"sutazai.agent.alone" in Path(f"/proc/{answer['here']}/cmdline").read_bytes()
    assert reason in await event(one, "not-forked", "tea")
    assert healthy(await one.until("role", healthy, within=PLENTY))


async def test_an_import_that_fails_is_the_failure_of_its_agent_alone(
    one: Machine, tmp_path: Path
) -> None:
    folder = write_tea(tmp_path, first="raise ValueError('the tea is cold')\n")
    await one.want(tea("tea", folder), agent("role"))
    unit = await one.until("tea", lambda unit: unit.last_exit is not None, within=PLENTY)
    assert unit.last_exit is not None
    assert unit.last_exit.status == 1
    assert "ValueError: the tea is cold" in "\n".join(unit.last_exit.lines)
    assert (await one.until("role", healthy, within=PLENTY)).restarts == 0


async def test_an_import_that_crashes_touches_nobody_else(one: Machine, tmp_path: Path) -> None:
    await one.want(agent("role"))
    role = await one.until("role", healthy, within=PLENTY)
    folder = write_tea(tmp_path, first="import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    await one.want(agent("role"), tea("tea", folder), agent("late"))
    unit = await one.until("tea", lambda unit: unit.last_exit is not None, within=PLENTY)
    assert unit.last_exit is not None
    assert unit.last_exit.signal == "SIGSEGV"
    await one.until("late", healthy, within=PLENTY)
    assert (await one.unit("role")).instances[0].pid == role.instances[0].pid


async def test_code_cannot_pass_another_process_off_as_a_fork_of_its_zygote(
    one: Machine, tmp_path: Path
) -> None:
    await one.want(agent("role"))
    role = (await one.until("role", healthy, within=PLENTY)).instances[0].pid
    forging = FORGING.replace("VICTIM", str(role))
    await one.want(agent("role"), tea("tea", write_tea(tmp_path, first=forging)))
    assert "named a process that is not its own" in await event(one, "not-forked", "tea")
    assert (await one.until("role", healthy, within=PLENTY)).instances[0].pid == role


class Forks:
    """Zygotes without a host, and all that was forked from them."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.told: list[tuple[str, str, str]] = []
        self.zygotes = Zygotes(folder, lambda *what: self.told.append(what), **changes)
        self._folder = folder
        self._forked: list[Process] = []

    async def fork(self, unit: DesiredUnit) -> Process:
        path = self._folder / f"s{len(self._forked)}"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            descriptors = [sys.stderr.fileno(), listener.fileno()]
            launch = Launch(
                instance=f"{unit.name}-1",
                entry=unit.entry,
                command=(),
                options=unit.options,
                environment=unit.environment,
                directory=unit.directory,
                confines=Confines(),
            )
            process = await self.zygotes.launch(launch, descriptors, unit=unit, python=None)
        self._forked.append(process)
        return process

    async def end(self) -> None:
        for process in self._forked:
            process.signal(signal.SIGKILL)
            await process.ended()
        self.zygotes.close()


@asynccontextmanager
async def forks(folder: Path, **changes: Any) -> AsyncIterator[Forks]:
    made = Forks(folder, **changes)
    try:
        yield made
    finally:
        await made.end()


def zygotes_with(folder: Path) -> list[int]:
    """Zygotes whose working folder is that one: those that hold the code there."""
    found = []
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            if comm.read_text().strip() == "zygote" and comm.with_name("cwd").readlink() == folder:
                found.append(int(comm.parent.name))
        except OSError:  # it ended meanwhile
            continue
    return found


async def until_none(folder: Path) -> None:
    async with asyncio.timeout(PLENTY):
        while zygotes_with(folder):
            await asyncio.sleep(0.02)


async def test_an_import_that_hangs_is_left_to_an_interpreter_of_its_own(tmp_path: Path) -> None:
    folder = write_tea(tmp_path, first="import time\ntime.sleep(600)\n")
    async with forks(tmp_path, patience=0.5) as made:
        process = await made.fork(tea("tea", folder))
        async with asyncio.timeout(PLENTY):
            while b"agent.alone" not in Path(f"/proc/{process.pid}/cmdline").read_bytes():
                await asyncio.sleep(0.02)
        ((kind, message, unit),) = made.told
        assert (kind, unit) == ("not-forked", "tea")
        assert "not ready after 0.5 s" in message
        await until_none(tmp_path)


async def test_the_least_recently_used_zygote_makes_room(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a", "b")]
    async with forks(tmp_path, most=1) as made:
        for folder in folders:
            folder.mkdir()
            await made.fork(tea("tea", write_tea(folder)))
        await until_none(folders[0])
        assert len(zygotes_with(folders[1])) == 1


async def test_a_zygote_that_nobody_needs_ends_after_a_while(tmp_path: Path) -> None:
    async with forks(tmp_path, idle=0.2) as made:
        process = await made.fork(tea("tea", write_tea(tmp_path)))
        await until_none(tmp_path)
        assert not process.has_ended
