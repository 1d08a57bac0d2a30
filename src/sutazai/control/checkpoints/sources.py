"""What of a state folder goes into a checkpoint. Blocks: of worker threads."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sutazai.control.checkpoints.snapshots import MAGIC, copy_database, copy_together
from sutazai.control.checkpoints.staging import Stage
from sutazai.fleet.places import Places

FILES = (
    "config.json",
    "fleet.json",
    "codes.json",
    "desired.json",
    "token",
    "keys.json",
    "uids.json",
    "alerts.json",
    "budgets.json",
    "llm-source.json",
    "messages.log",
    "paused",
    "routes.json",
    "throttle",
)
"""Files of the state folder that are taken as they are, where they are there.

Host and gateway have copies of what control told them, as after a crash: without those the first
tasks that go on would find no agent.
"""

INDEX = "artifacts.json"
PASSING = "tmp"
"""A home's folder for what need not last."""
_BESIDE = ("-wal", "-shm", "-journal")


@dataclass(frozen=True)
class Wanted:
    """What is to be taken: artifacts up to so many bytes."""

    places: Places
    artifacts: int


def take(wanted: Wanted, stage: Stage) -> None:
    """Takes everything. Raises OSError, sqlite3.Error."""
    places = wanted.places
    _take_databases(places, stage)
    for name in FILES:
        _take_file(places.state / name, name, stage)
    _take_artifacts(places.artifacts, wanted.artifacts, stage)
    _take_homes(places.homes, stage)


def size_of(wanted: Wanted) -> int:
    """About how many bytes that will be."""
    places = wanted.places
    databases = sum(path.stat().st_size for path in _databases(places) if path.exists())
    homes = sum(found.st_size for _, found in _files(places.homes))
    artifacts = sum(found.st_size for _, found in _files(places.artifacts))
    return databases + homes + min(artifacts, wanted.artifacts)


def _databases(places: Places) -> tuple[Path, ...]:
    return (places.database, places.workflow_database, places.calls)


def _take_databases(places: Places, stage: Stage) -> None:
    there = [path for path in _databases(places) if path.exists()]
    copy_together({path: stage.path(path.name) for path in there})
    for path in there:
        stage.add(path.name)


def _take_file(path: Path, name: str, stage: Stage) -> None:
    try:
        with path.open("rb") as file:
            stage.copy(name, file)
    except FileNotFoundError:
        return


def _take_artifacts(root: Path, bound: int, stage: Stage) -> None:
    """The newest files up to the bound, and an index of all."""
    found = sorted(_files(root), key=lambda one: one[1].st_mtime, reverse=True)
    index = []
    for path, info in found:
        name = path.relative_to(root).as_posix()
        index.append({"name": name, "size": info.st_size, "at": info.st_mtime})
        bound -= info.st_size
        if bound < 0:
            stage.left_out.append(f"artifacts/{name}")
        else:
            _take_file(path, f"artifacts/{name}", stage)
    stage.write(INDEX, json.dumps(index).encode())


def _files(root: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Regular files below a folder; those that go meanwhile, and drafts, are not there."""
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            try:
                found = path.lstat()
            except FileNotFoundError:
                continue
            if stat.S_ISREG(found.st_mode) and not name.startswith("."):
                yield path, found


def _take_homes(root: Path, stage: Stage) -> None:
    """What agents keep. By descriptors, and never through links: others write there meanwhile."""
    if not root.is_dir():
        return
    for place, folders, files, here in os.fwalk(root):
        name = Path("homes", Path(place).relative_to(root)).as_posix()
        if not _is_text(name):
            stage.left_out.append(ascii(name))
            folders.clear()
            continue
        stage.add_folder(name, os.fstat(here))
        if name.count("/") == 1 and PASSING in folders:
            folders.remove(PASSING)
        for file in sorted(files):
            _take_from_home(f"{name}/{file}", file, here, set(files), stage)


def _take_from_home(name: str, file: str, here: int, files: set[str], stage: Stage) -> None:
    if any(file.endswith(end) and file.removesuffix(end) in files for end in _BESIDE):
        return  # a database's own, whose content its copy holds
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with open(os.open(file, flags, dir_fd=here), "rb") as opened:
            found = os.fstat(opened.fileno())
            if not stat.S_ISREG(found.st_mode) or not _is_text(name):
                stage.left_out.append(ascii(name))
            elif opened.read(len(MAGIC)) == MAGIC:
                copy_database(Path(f"/proc/self/fd/{here}", file), stage.path(name))
                stage.add(name, found)
            else:
                opened.seek(0)
                stage.copy(name, opened)
    except FileNotFoundError:
        return
    except (OSError, sqlite3.Error) as error:  # one agent's file must not cost all the others
        _left(name, error, stage)


def _left(name: str, error: OSError | sqlite3.Error, stage: Stage) -> None:
    """A link, or what its agent holds on to, is left out; a full disk is nobody's fault there."""
    if "is full" in str(error) or "No space" in str(error) or "too large" in str(error):
        raise error
    stage.path(name).unlink(missing_ok=True)
    stage.left_out.append(ascii(name))


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
