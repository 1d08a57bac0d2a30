"""Checkpoints are made while databases are written to, kept by policy, and come back whole."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest

from sutazai.control.checkpoints.desk import CheckpointDesk
from sutazai.control.checkpoints.restoring import restore
from sutazai.control.checkpoints.shelf import FolderShelf, shelf_of
from sutazai.control.checkpoints.snapshots import copy_together
from sutazai.control.checkpoints.telling import verified
from sutazai.control.executors import executor_name
from sutazai.fleet.checkpoints import CheckpointPlan
from sutazai.fleet.errors import NotFound, Unavailable
from sutazai.fleet.places import Places
from sutazai.store import Database, Events, Executors
from sutazai.store.database import sqlite_url
from tests.control.checkpoints.fleets import (
    Clock,
    desk_of,
    drafts,
    facts_of,
    record_revision,
)


def shelf(places: Places) -> FolderShelf:
    return FolderShelf(places.state / "checkpoints")


async def test_everything_comes_back(
    desk: CheckpointDesk, database: Database, places: Places, tmp_path: Path
) -> None:
    number = await record_revision(places, database)

    made = await desk.make("a test")
    done = restore(shelf(places), made.name, Places.of(tmp_path / "other"), at=0.0)

    other = Places.of(tmp_path / "other")
    assert made.revision == done.manifest.revision == number
    assert facts_of(other.workflow_database) == facts_of(other.calls) == ["remembered"]
    assert facts_of(other.home("planner") / "memory.db") == ["remembered"]
    assert (other.home("planner") / "notes.txt").read_text() == "a note"
    assert (other.artifacts / "run-1" / "plan.md").read_text() == "# the plan"
    assert other.token.read_text() == places.token.read_text()
    assert stat.S_IMODE((other.state / "keys.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(other.state.stat().st_mode) == 0o700
    assert not drafts(places.state / "checkpoints")
    assert not drafts(tmp_path)


async def test_in_another_folder_work_goes_on_with_whoever_is_there(
    desk: CheckpointDesk, database: Database, places: Places, tmp_path: Path
) -> None:
    await Executors(database).enter("control-1-life", executor_name("control", places))
    places.desired.write_text(json.dumps({"gateway": f"unix:{places.agents_socket}"}))
    places.routes.write_text(json.dumps({"llm": f"unix:{places.llm_socket}"}))

    made = await desk.make("a test")
    other = Places.of(tmp_path / "other")
    restore(shelf(places), made.name, other, at=0.0)

    assert json.loads(other.desired.read_text()) == {"gateway": f"unix:{other.agents_socket}"}
    assert json.loads(other.routes.read_text()) == {"llm": f"unix:{other.llm_socket}"}
    restored = Database(sqlite_url(other.database))
    try:
        name = executor_name("control", other)
        assert await Executors(restored).earlier("me", name) == ["control-1-life"]
    finally:
        restored.close()


async def test_it_is_its_owners_only_and_told_of(
    desk: CheckpointDesk, database: Database, places: Places
) -> None:
    made = await desk.make("before the move")

    file = places.state / "checkpoints" / f"{made.name}.tar.gz"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (listed,) = await desk.all()
    assert (listed.name, listed.reason, listed.size) == (
        made.name,
        "before the move",
        file.stat().st_size,
    )
    (event,) = await Events(database).newest(10)
    assert (event.kind, event.data["name"]) == ("checkpoint", made.name)


def test_databases_are_copied_as_they_were_at_one_moment(tmp_path: Path) -> None:
    """Given a writer that counts in two databases, the first always first, both copies agree."""
    first, second = tmp_path / "first.sqlite", tmp_path / "second.sqlite"
    for path in (first, second):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("CREATE TABLE counted (number INTEGER)")
    stop = threading.Event()

    def count() -> None:
        with closing(sqlite3.connect(first)) as one, closing(sqlite3.connect(second)) as two:
            number = 0
            while not stop.is_set():
                for connection in (one, two):
                    with connection:
                        connection.execute("INSERT INTO counted VALUES (?)", (number,))
                number += 1

    writer = threading.Thread(target=count)
    writer.start()
    try:
        for number in range(20):
            copies = {path: tmp_path / f"{path.name}-{number}" for path in (first, second)}
            copy_together(copies)
            ahead, behind = (_counted(copy) for copy in copies.values())
            assert 0 <= ahead - behind <= 1, "nothing is in the second that is not in the first"
    finally:
        stop.set()
        writer.join()


def _counted(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM counted").fetchone()
        return int(count)


async def test_links_and_pipes_are_left_out_and_said_so(
    desk: CheckpointDesk, places: Places
) -> None:
    home = places.home("planner")
    (home / "link").symlink_to("/etc/passwd")
    os.mkfifo(home / "pipe")
    (home / "tmp").mkdir()
    (home / "tmp" / "passing").write_text("x")

    made = await desk.make("a test")

    assert set(made.left_out) == {"'homes/planner/link'", "'homes/planner/pipe'"}


async def test_artifacts_beyond_the_bound_are_in_the_index_only(
    database: Database, places: Places, tmp_path: Path
) -> None:
    (places.state / "artifacts" / "run-1" / "large.md").write_text("x" * 1000)
    os.utime(places.state / "artifacts" / "run-1" / "large.md", (1.0, 1.0))
    plan = CheckpointPlan(artifacts="100B")
    fleet = json.loads(places.fleet.read_text()) | {"checkpoints": plan.model_dump(mode="json")}
    places.fleet.write_text(json.dumps(fleet))

    made = await desk_of(places, database).make("a test")
    restore(shelf(places), made.name, Places.of(tmp_path / "other"), at=0.0)

    assert made.left_out == ("artifacts/run-1/large.md",)
    index = json.loads((tmp_path / "other" / "artifacts.json").read_text())
    assert {one["name"]: one["size"] for one in index} == {
        "run-1/plan.md": 10,
        "run-1/large.md": 1000,
    }


async def test_old_ones_go_and_the_last_good_one_never_does(
    database: Database, places: Places, clock: Clock
) -> None:
    fleet = json.loads(places.fleet.read_text()) | {"checkpoints": {"keep": 2}}
    places.fleet.write_text(json.dumps(fleet))
    desk, made = desk_of(places, database, clock=clock), []
    for _ in range(2):
        made.append((await desk.make("a test")).name)
        clock.now += 60
    damaged = places.state / "checkpoints" / f"{made[1]}.tar.gz"
    damaged.write_bytes(damaged.read_bytes()[:-2000])

    desk = desk_of(places, database, clock=clock)  # one that has not looked at them yet
    made.append((await desk.make("a test")).name)
    assert {one.name for one in await desk.all()} == set(made), "a damaged one is not counted"

    clock.now += 60
    made.append((await desk.make("a test")).name)
    assert [one.name for one in await desk.all()] == [made[3], made[2]]

    clock.now -= 3600
    back = (await desk.make("the clock was set back")).name
    assert back in {one.name for one in await desk.all()}


async def test_one_is_made_whenever_it_is_due(
    database: Database, places: Places, clock: Clock
) -> None:
    fleet = json.loads(places.fleet.read_text()) | {"checkpoints": {"every": "1h"}}
    places.fleet.write_text(json.dumps(fleet))
    desk = desk_of(places, database, clock=clock)

    running = asyncio.create_task(desk.run(), name="make checkpoints")
    try:
        async with asyncio.timeout(30):
            while not await desk.all():
                await asyncio.sleep(0.05)
        (made,) = await desk.all()
        assert made.reason == "by the clock"
    finally:
        running.cancel()


@pytest.mark.parametrize("kind", ["folder", "file", "memory"])
async def test_any_place_will_do(
    desk: CheckpointDesk, places: Places, tmp_path: Path, kind: str
) -> None:
    place = {
        "folder": str(tmp_path / "safe"),
        "file": f"file://{tmp_path}/safe",
        "memory": f"memory://{tmp_path.name}",
    }[kind]
    there = shelf_of(place, places, Path.cwd())
    assert there.names() == []

    made = await desk.make("a test", place)

    assert there.names() == [made.name]
    assert there.size(made.name) == made.size > 0
    assert not verified(there, made.name).trouble
    assert restore(there, made.name, Places.of(tmp_path / "other"), at=0.0).aside is None
    with pytest.raises(NotFound, match="there is no checkpoint nothing"):
        verified(there, "nothing")
    there.remove(made.name)
    there.remove(made.name)
    assert there.names() == []


def test_a_place_of_a_kind_that_nobody_knows_is_refused(places: Places) -> None:
    with pytest.raises(Unavailable, match="cannot go to such a URL"):
        shelf_of("nonsense://bucket", places, Path.cwd())


async def test_the_old_state_is_put_aside_with_its_checkpoints(
    desk: CheckpointDesk, places: Places, database: Database
) -> None:
    made = await desk.make("a test")
    database.close()
    (places.state / "notes-of-today").write_text("not in the checkpoint")

    done = restore(shelf(places), made.name, places, at=0.0)

    assert done.aside == places.state.with_name("state.before-restore-19700101T000000Z")
    assert (done.aside / "notes-of-today").exists()
    assert not (places.state / "notes-of-today").exists()
    assert shelf(places).names() == [made.name]
