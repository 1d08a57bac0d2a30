"""Whatever goes wrong with a checkpoint is found, and costs nothing that was there before."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import os
import random
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from sutazai.control.checkpoints.desk import CheckpointDesk
from sutazai.control.checkpoints.keeping import name_of
from sutazai.control.checkpoints.making import Header, make
from sutazai.control.checkpoints.restoring import restore
from sutazai.control.checkpoints.scratch import scratch
from sutazai.control.checkpoints.shelf import FolderShelf
from sutazai.control.checkpoints.sources import Wanted
from sutazai.control.checkpoints.telling import listed, verified
from sutazai.fleet.errors import BadCheckpoint, DiskFull, SutazaiError
from sutazai.fleet.places import Places
from sutazai.store import Database, Events
from tests.control.checkpoints.fleets import drafts

NAME = name_of("small", 1_800_000_000.0, "bad")
HEAD = 10
"""Bytes of gzip's head, of which the time and the system's name mean nothing."""


def write(folder: Path, manifest: dict[str, Any], *entries: tuple[tarfile.TarInfo, bytes]) -> None:
    """A checkpoint as somebody with bad intent would make it."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(manifest).encode()
    with tarfile.open(folder / f"{NAME}.tar.gz", "w:gz") as tar:
        for entry, content in ((tarfile.TarInfo("manifest.json"), text), *entries):
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def manifest(*members: dict[str, Any], **update: Any) -> dict[str, Any]:
    value = {"format": 1, "fleet": "small", "revision": None, "at": 1.0, "reason": ""}
    return {**value, "members": list(members), **update}


def member(name: str, content: bytes = b"x") -> dict[str, Any]:
    digest = sha256(content).hexdigest()
    return {
        "name": name, "size": len(content), "sha256": digest, "mode": 0o600, "uid": 0, "gid": 0
    }  # fmt: skip


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


LEAVING: dict[str, Callable[[Path], None]] = {
    "parent": lambda folder: write(
        folder, manifest(member("../escaped")), (entry("../escaped"), b"x")
    ),
    "absolute": lambda folder: write(
        folder, manifest(member("/tmp/escaped")), (entry("/tmp/escaped"), b"x")
    ),
    "not named": lambda folder: write(folder, manifest(), (entry("../escaped"), b"x")),
    "link": lambda folder: write(
        folder,
        manifest(member("home/escaped")),
        (entry("home", tarfile.SYMTYPE, ".."), b""),
        (entry("home/escaped"), b"x"),
    ),
    "link by its name": lambda folder: write(
        folder, manifest(member("escaped")), (entry("escaped", tarfile.SYMTYPE, "/etc/passwd"), b"")
    ),
    "folder": lambda folder: write(
        folder,
        manifest(folders=[{"name": "a/../../escaped", "mode": 0o700, "uid": 0, "gid": 0}]),
    ),
    "device": lambda folder: write(
        folder, manifest(member("escaped")), (entry("escaped", tarfile.CHRTYPE), b"")
    ),
    "more than it says": lambda folder: write(
        folder, manifest(member("escaped")), (entry("escaped"), b"x" * 10_000_000)
    ),
}


@pytest.mark.parametrize("attack", LEAVING.values(), ids=LEAVING.keys())
def test_nothing_leaves_the_folder_that_it_is_restored_to(
    attack: Callable[[Path], None], places: Places, tmp_path: Path
) -> None:
    attack(tmp_path / "bad")
    before = sorted(path.name for path in places.state.iterdir())

    with pytest.raises(BadCheckpoint):
        restore(FolderShelf(tmp_path / "bad"), NAME, places, at=0.0)

    assert sorted(path.name for path in places.state.iterdir()) == before
    assert not list(tmp_path.rglob("escaped"))
    assert not Path("/tmp/escaped").exists()
    assert not drafts(tmp_path)


def test_another_format_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    write(tmp_path, manifest(format=2))

    (found,) = listed(FolderShelf(tmp_path))
    assert "it has format 2, and this version reads 1" in found.trouble
    with pytest.raises(BadCheckpoint) as caught:
        restore(FolderShelf(tmp_path), NAME, Places.of(tmp_path / "new"), at=0.0)
    assert "with the version of SutazAI that made it" in str(caught.value.hint)


@pytest.mark.parametrize("content", [b"", b"no archive at all", gzip.compress(b"no tar", mtime=0)])
def test_what_is_no_checkpoint_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / f"{NAME}.tar.gz").write_bytes(content)

    assert NAME in verified(FolderShelf(tmp_path), NAME).trouble


async def test_one_that_is_cut_short_is_never_restored(
    desk: CheckpointDesk, places: Places
) -> None:
    shelf, made = FolderShelf(places.state / "checkpoints"), await desk.make("a test")
    file = shelf.workshop / f"{made.name}.tar.gz"
    whole = file.read_bytes()
    for length in (10, len(whole) // 4, len(whole) // 2, len(whole) - 3000):
        file.write_bytes(whole[:length])
        with pytest.raises(BadCheckpoint):
            restore(shelf, made.name, places, at=0.0)
        assert places.database.exists(), "what was there is there"
    file.write_bytes(whole)
    assert not verified(shelf, made.name).trouble


async def test_any_flipped_bit_is_found_or_changes_nothing(
    desk: CheckpointDesk, places: Places
) -> None:
    shelf, made = FolderShelf(places.state / "checkpoints"), await desk.make("a test")
    file = shelf.workshop / f"{made.name}.tar.gz"
    whole = file.read_bytes()
    chance = random.Random(20261121)
    for _ in range(60):
        damaged = bytearray(whole)
        place = chance.randrange(HEAD, len(whole))
        damaged[place] ^= 1 << chance.randrange(8)
        file.write_bytes(damaged)
        if not verified(shelf, made.name).trouble:
            assert gzip.decompress(damaged) == gzip.decompress(whole), f"byte {place}"


async def test_a_damaged_database_is_no_good_checkpoint(
    desk: CheckpointDesk, places: Places, database: Database
) -> None:
    with places.calls.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(4096))

    with pytest.raises(SutazaiError, match=r"gateway-calls|malformed"):
        await desk.make("a test")

    assert await desk.all() == []
    (event,) = await Events(database).newest(10)
    assert event.kind == "checkpoint-failed"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a disk of its own cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def test_a_full_disk_is_said_before_anything_is_written(
    desk: CheckpointDesk, small_disk: Path
) -> None:
    with pytest.raises(DiskFull, match="are free"):
        await desk.make("a test", str(small_disk))

    assert list(small_disk.iterdir()) == []


async def test_a_disk_that_fills_up_meanwhile_leaves_no_draft(
    places: Places, database: Database, small_disk: Path
) -> None:
    (places.home("planner") / "large").write_bytes(os.urandom(3 * 1024**2))
    header = Header(NAME, "small", None, 1.0, "there was room when it began")

    with pytest.raises(DiskFull, match="the disk is full"), scratch(small_disk) as folder:
        make(header, Wanted(places, 0), FolderShelf(small_disk), folder)

    assert list(small_disk.iterdir()) == []


MAKER = """
import asyncio, sys
from pathlib import Path
from sutazai.fleet.places import Places
from sutazai.store import Database
from sutazai.store.database import sqlite_url
from tests.control.checkpoints.fleets import desk_of

async def main():
    places = Places.of(Path(sys.argv[1]))
    database = Database(sqlite_url(places.database))
    desk = desk_of(places, database)
    print("ready", flush=True)
    while True:
        await desk.make("again")

asyncio.run(main())
"""


@pytest.mark.parametrize("kills", [2, pytest.param(30, marks=pytest.mark.soak)])
async def test_killed_at_any_point_it_leaves_whole_ones_and_what_the_next_sweeps(
    places: Places, database: Database, desk: CheckpointDesk, kills: int
) -> None:
    (places.home("planner") / "large").write_bytes(os.urandom(4 * 1024**2))
    chance = random.Random(20261121)
    for _ in range(kills):
        command = [sys.executable, "-c", MAKER, str(places.state)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as maker:
            try:
                assert maker.stdout is not None
                assert await asyncio.to_thread(maker.stdout.readline) == b"ready\n"
                time.sleep(chance.uniform(0.05, 0.6))
            finally:
                maker.kill()

    shelf = FolderShelf(places.state / "checkpoints")
    for one in listed(shelf):
        assert not verified(shelf, one.name).trouble
    await desk.make("the next")
    assert not drafts(shelf.workshop)


async def test_a_restore_that_was_killed_left_everything_as_it_was(
    desk: CheckpointDesk, places: Places, database: Database
) -> None:
    made = await desk.make("a test")
    database.close()
    left = places.state.parent / ".state.restoring-killed"
    (left / "state").mkdir(parents=True)

    restore(FolderShelf(places.state / "checkpoints"), made.name, places, at=0.0)

    assert not left.exists()
    assert places.database.exists()
