"""What is written to groups of version 2, on files that stand for a kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from sutazai.host.limits import Limit
from sutazai.host.limits.v2 import GroupsV2
from tests.host.limits.kernels import FakeKernel

MIB = 1024**2
LIMIT = Limit(
    memory=1024 * MIB,
    reservation=128 * MIB,
    weight=400,
    cores=1.0,
    processes=512,
    open_files=None,
)
BOUNDLESS = Limit(
    memory=None, reservation=128 * MIB, weight=1000, cores=None, processes=None, open_files=None
)


@pytest.fixture
def groups(tmp_path: Path) -> GroupsV2:
    FakeKernel().make(tmp_path / "fleet")
    return GroupsV2(tmp_path / "fleet", FakeKernel())


def told(groups: GroupsV2, folder: Path, name: str) -> str:
    return (folder / "fleet" / "one" / name).read_text().strip()


def test_every_bound_is_written(groups: GroupsV2, tmp_path: Path) -> None:
    doors = groups.create("one", LIMIT)
    assert doors == (str(tmp_path / "fleet/one/cgroup.procs"),)
    written = {
        "memory.max": str(1024 * MIB),
        "memory.high": str(128 * MIB),
        "memory.swap.max": "0",
        "pids.max": "512",
        "cpu.weight": "400",
        "cpu.max": "100000 100000",
        "cpu.max.burst": "100000",
    }
    assert {name: told(groups, tmp_path, name) for name in written} == written


def test_what_has_no_bound_gets_none(groups: GroupsV2, tmp_path: Path) -> None:
    groups.create("one", BOUNDLESS)
    for name in ("memory.max", "memory.high", "memory.swap.max", "pids.max"):
        assert told(groups, tmp_path, name) == "max"
    assert told(groups, tmp_path, "cpu.max") == "max 100000"


def test_a_reservation_grows_in_steps_and_ends_as_no_brake_at_all(
    groups: GroupsV2, tmp_path: Path
) -> None:
    groups.create("one", LIMIT)
    current = tmp_path / "fleet/one/memory.current"
    for used, high in ((90, 128), (110, 384), (200, 384), (400, 640), (900, None), (10, None)):
        current.write_text(f"{used * MIB}\n")
        groups.grow()
        expected = "max" if high is None else str(high * MIB)
        assert told(groups, tmp_path, "memory.high") == expected


def test_a_kernel_that_kills_whole_groups_is_asked_to(groups: GroupsV2, tmp_path: Path) -> None:
    groups.create("one", LIMIT)
    (tmp_path / "fleet/one/cgroup.kill").write_text("")
    groups.kill("one", 0)
    assert told(groups, tmp_path, "cgroup.kill") == "1"


def test_an_older_kernel_lacks_files_that_are_not_needed(groups: GroupsV2, tmp_path: Path) -> None:
    FakeKernel().make(tmp_path / "fleet/one")
    for name in ("memory.swap.max", "memory.peak", "cpu.max.burst", "pids.max"):
        (tmp_path / "fleet/one" / name).unlink()
    groups.create("one", LIMIT)
    usage = groups.usage("one", 0)
    assert usage is not None
    assert (usage.memory, usage.peak, usage.limit, usage.cpu) == (4096, None, 1024 * MIB, 1.5)


def test_kills_for_want_of_memory_are_counted(groups: GroupsV2, tmp_path: Path) -> None:
    groups.create("one", LIMIT)
    (tmp_path / "fleet/one/memory.events").write_text("low 0\noom 3\noom_kill 2\n")
    usage = groups.usage("one", 0)
    assert usage is not None and usage.oom_kills == 2
