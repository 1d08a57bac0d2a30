"""Which way of holding limits is taken, and what is said of the better ones."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from shutil import rmtree

import pytest

from sutazai.host.limits import Limits, choose, clear
from sutazai.host.limits.place import Place, read_place, write_place
from sutazai.host.limits.v2 import HOUSE
from tests.host.limits.kernels import FakeKernel, lives, real_parents
from tests.host.limits.test_conformance import LIMIT
from tests.host.trees import BARE, V2_GROUP, grow, v1, v2

FLEET = "sutazai-fleet"


def chosen(root: Path, files: Mapping[str, str], *, ours: bool = True) -> Limits:
    grow(root, files)
    return choose(
        FLEET,
        root / "groups.json",
        root=root,
        writable=lambda path: ours and path.exists(),
        kernel=FakeKernel(),
    )


def test_version_2_is_taken_where_it_is_delegated(tmp_path: Path) -> None:
    limits = chosen(tmp_path, v2())
    assert (limits.kind, limits.why) == ("cgroup-v2", "")
    group = tmp_path / V2_GROUP
    for folder in (group, group / FLEET):
        assert (folder / "cgroup.subtree_control").read_text() == "+memory +cpu +pids"
    limits.create("one-abcde", LIMIT)
    assert (group / FLEET / "one-abcde/memory.max").exists()


@pytest.mark.parametrize(
    ("files", "ours", "why"),
    [
        (v2(), False, "user-1000.slice/sutazai.service is not delegated to this user"),
        (v2(own="pids"), True, "cgroup v2: no memory controller is delegated"),
        (BARE, True, "cgroup v2: it is not mounted; cgroup v1: it is not mounted with a memory"),
    ],
)
def test_without_groups_of_ours_processes_are_only_counted(
    tmp_path: Path, files: Mapping[str, str], ours: bool, why: str
) -> None:
    limits = chosen(tmp_path, files, ours=ours)
    assert limits.kind == "accounting"
    assert why in limits.why
    assert read_place(tmp_path / "groups.json") is None


def test_version_1_is_taken_where_version_2_has_no_memory_controller(tmp_path: Path) -> None:
    limits = chosen(tmp_path, v1())
    assert (limits.kind, limits.why) == (
        "cgroup-v1",
        "cgroup v2: no memory controller is delegated",
    )


def test_a_fleet_stays_where_it_was_until_that_is_gone(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    FakeKernel().make(elsewhere / FLEET)
    write_place(
        tmp_path / "groups.json", Place(version="v2", parents={"memory": elsewhere / FLEET})
    )
    chosen(tmp_path, v2()).create("one-abcde", LIMIT)
    assert (elsewhere / FLEET / "one-abcde").exists()
    clear_files = FakeKernel()
    clear_files.remove(elsewhere / FLEET / "one-abcde")
    clear_files.remove(elsewhere / FLEET)
    chosen(tmp_path, v2()).create("one-abcde", LIMIT)
    assert (tmp_path / V2_GROUP / FLEET / "one-abcde").exists()


def test_two_fleets_have_groups_beside_each_other(tmp_path: Path) -> None:
    chosen(tmp_path, v2())
    for name in ("other-1", "other-2"):
        choose(
            name,
            tmp_path / f"{name}.json",
            root=tmp_path,
            writable=Path.exists,
            kernel=FakeKernel(),
        )
    group = tmp_path / V2_GROUP
    assert {FLEET, "other-1", "other-2"} <= {path.name for path in group.iterdir()}


def test_a_host_in_the_house_of_its_group_makes_groups_beside_it(tmp_path: Path) -> None:
    house = {
        f"{V2_GROUP}/{HOUSE}/cgroup.procs": "1\n",
        "proc/self/cgroup": f"0::/user.slice/user-1000.slice/sutazai.service/{HOUSE}\n",
    }
    assert chosen(tmp_path, {**v2(), **house}).kind == "cgroup-v2"
    assert (tmp_path / V2_GROUP / FLEET).is_dir()


def test_a_tree_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    class Full(FakeKernel):
        def make(self, folder: Path) -> None:
            raise OSError(errno.ENOSPC, "No space left on device", str(folder))

    grow(tmp_path, v2())
    limits = choose(
        FLEET, tmp_path / "groups.json", root=tmp_path, writable=Path.exists, kernel=Full()
    )
    assert limits.kind == "accounting"
    assert "cgroup v2: No space left on device" in limits.why


@pytest.mark.parametrize("content", ["", "{", '{"version": "v3", "parents": {}}'])
def test_a_damaged_note_of_the_place_stops_nobody(tmp_path: Path, content: str) -> None:
    (tmp_path / "groups.json").write_text(content)
    assert chosen(tmp_path, v2()).kind == "cgroup-v2"


def test_a_fleet_without_a_host_can_be_cleared(tmp_path: Path) -> None:
    record = tmp_path / "groups.json"
    place = Place(version="v1", parents=real_parents("sutazai-cleared"))
    write_place(record, place)
    for parent in place.parents.values():
        parent.mkdir()
    doors = place.limits().create("one-abcde", LIMIT)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as sleeper:
        try:
            for door in doors:
                Path(door).write_text(str(sleeper.pid))
            clear(record)
            assert sleeper.wait(60) == -9
        finally:
            sleeper.kill()
    assert not lives(sleeper.pid)
    assert not record.exists()
    assert not any(parent.exists() for parent in place.parents.values())
    clear(record)


def test_groups_into_which_no_process_gets_are_not_used(tmp_path: Path) -> None:
    class Closed(FakeKernel):
        def make(self, folder: Path) -> None:
            super().make(folder)
            (folder / "cgroup.procs").unlink()
            (folder / "cgroup.procs").mkdir()

        def remove(self, folder: Path) -> None:
            rmtree(folder)

    grow(tmp_path, v2())
    limits = choose(
        FLEET, tmp_path / "groups.json", root=tmp_path, writable=Path.exists, kernel=Closed()
    )
    assert limits.kind == "accounting"
    assert "no process may be moved there" in limits.why
    assert not (tmp_path / V2_GROUP / FLEET).exists()
