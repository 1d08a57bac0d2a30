"""What every way of holding limits does: one suite for version 1 (real), 2 (files) and none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sutazai.host.limits import Limit, Limits, dissolve, sweep
from sutazai.host.limits.accounting import Accounting
from sutazai.host.limits.v1 import GroupsV1
from sutazai.host.limits.v2 import GroupsV2
from tests.host.limits.kernels import FakeKernel, lives, real_parents, until_dead

MIB = 1024**2
LIMIT = Limit(
    memory=64 * MIB, reservation=32 * MIB, weight=100, cores=1.0, processes=32, open_files=64
)
ENTERS = """
import os, sys, time

def enter():
    for door in sys.argv[1:]:
        with open(door, "a") as file:
            file.write(f"{os.getpid()}\\n")

enter()
if not os.fork():
    os.setpgrp()
    enter()
    print(os.getpid(), flush=True)
time.sleep(600)
"""
"""Enters its groups; a child does so in a process group of its own, and then tells its id."""


@pytest.fixture(params=["v1", "v2", "none"])
def limits(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Limits]:
    if request.param == "none":
        yield Accounting()
        return
    name = f"sutazai-test-{os.getpid()}"
    kernel = FakeKernel()
    parents = {"memory": tmp_path / name} if request.param == "v2" else real_parents(name)
    for folder in parents.values():
        kernel.make(folder) if request.param == "v2" else folder.mkdir()
    made = GroupsV2(parents["memory"], kernel) if request.param == "v2" else GroupsV1(parents)
    yield made
    made.close()
    assert not any(folder.exists() for folder in parents.values())


class Inhabitant:
    """A process with a child, both in the room of one instance."""

    def __init__(self, doors: tuple[str, ...]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", ENTERS, *doors], stdout=subprocess.PIPE, start_new_session=True
        )
        assert self.process.stdout is not None
        self.child = int(self.process.stdout.readline())

    def reap(self) -> int:
        with self.process:
            return self.process.wait(60)


async def test_room_is_made_and_taken_away(limits: Limits) -> None:
    limits.create("one-abcde", LIMIT)
    assert limits.names() in (["one-abcde"], [])
    assert limits.remove("one-abcde")
    assert limits.names() == []
    assert limits.remove("one-abcde"), "twice does no harm"


async def test_all_that_an_instance_started_ends_with_it(limits: Limits) -> None:
    inhabitant = Inhabitant(limits.create("one-abcde", LIMIT))
    inhabitant.process.kill()
    inhabitant.reap()
    assert lives(inhabitant.child), "its child has a process group of its own"
    assert await dissolve(limits, "one-abcde", inhabitant.process.pid)
    await until_dead(inhabitant.child)
    assert limits.names() == []


async def test_nobody_else_ends_with_it(limits: Limits) -> None:
    first = Inhabitant(limits.create("one-abcde", LIMIT))
    second = Inhabitant(limits.create("two-abcde", LIMIT))
    assert await dissolve(limits, "one-abcde", first.process.pid)
    assert first.reap() == -signal.SIGKILL
    assert lives(second.process.pid) and lives(second.child)
    assert await dissolve(limits, "two-abcde", second.process.pid)
    second.reap()


async def test_what_it_took_is_told_as_far_as_it_is_known(limits: Limits) -> None:
    inhabitant = Inhabitant(limits.create("one-abcde", LIMIT))
    usage = limits.usage("one-abcde", inhabitant.process.pid)
    assert usage is not None
    assert usage.cpu is not None and usage.cpu >= 0
    assert usage.limit in (LIMIT.memory, None)
    assert (usage.memory is None) == (usage.peak is None) == (limits.kind == "accounting")
    assert usage.oom_kills == 0
    assert await dissolve(limits, "one-abcde", inhabitant.process.pid)
    inhabitant.reap()
    assert limits.usage("one-abcde", inhabitant.process.pid) is None
    assert limits.bounds("one-abcde") is None


async def test_a_living_instance_may_get_another_share(limits: Limits) -> None:
    limits.create("one-abcde", LIMIT)
    for cores in (0.5, None, 2.0):
        limits.share_cpu("one-abcde", Limit(**{**vars(LIMIT), "weight": 25, "cores": cores}))
        bounds = limits.bounds("one-abcde")
        assert (bounds is None) == (limits.kind == "accounting")
        assert bounds is None or (bounds.memory, bounds.cores) == (LIMIT.memory, cores)
    limits.grow()
    assert limits.remove("one-abcde")


async def test_what_is_not_living_is_swept(limits: Limits) -> None:
    inhabitant = Inhabitant(limits.create("old-abcde", LIMIT))
    limits.create("new-abcde", LIMIT)
    swept = await sweep(limits, lambda name: name.startswith("new"))
    if limits.kind == "accounting":
        assert swept == [], "nothing of an earlier host is known"
        limits.kill("old-abcde", inhabitant.process.pid)
    else:
        assert swept == ["old-abcde"]
        assert limits.names() == ["new-abcde"]
    assert inhabitant.reap() == -signal.SIGKILL
    assert limits.remove("new-abcde")
