"""Data that are no files of ours: a Postgres, and services with commands of their own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sutazai.control.checkpoints.programs import Program, write_by
from sutazai.control.checkpoints.restoring import restore
from sutazai.control.checkpoints.services import load_services, pending
from sutazai.control.checkpoints.shelf import FolderShelf
from sutazai.control.feed import EventFeed
from sutazai.fleet.errors import DeadlineExceeded, Failed, Unavailable
from sutazai.fleet.places import Places
from sutazai.fleet.spec import Service
from sutazai.store import Database, Events, Revisions, migrate
from tests.control.checkpoints.fleets import desk_of, drafts, fill, record_revision
from tests.postgres import Postgres, postgres


def declare(places: Places, **update: object) -> None:
    places.fleet.write_text(json.dumps(json.loads(places.fleet.read_text()) | update))


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as server:
        yield server


async def test_a_database_in_postgres_comes_back_as_it_was(
    server: Postgres, places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(places)
    places.database.unlink()
    url = server.create("shop")
    monkeypatch.setenv("SUTAZAI_DATABASE", url)
    migrate(url)
    database = Database(url)
    number = await record_revision(places, database)
    made = await desk_of(places, database).make("a test", str(tmp_path / "safe"))
    declare(places, description="changed since")
    assert await record_revision(places, database) == number + 1
    database.close()

    shelf, other = FolderShelf(tmp_path / "safe"), Places.of(tmp_path / "other")
    await asyncio.to_thread(restore, shelf, made.name, other, at=0.0)

    again = Database(url)
    try:
        newest = await Revisions(again).newest()
        assert newest is not None
        assert newest.number == number
    finally:
        again.close()


async def test_without_pg_dump_it_is_refused_and_says_what_to_install(
    server: Postgres, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(places)
    url = server.create("lonely")
    migrate(url)
    database = Database(url)
    monkeypatch.setenv("PATH", "/nonexistent")
    try:
        with pytest.raises(Unavailable, match="pg_dump is not on the PATH") as caught:
            await desk_of(places, database).make("a test")
    finally:
        database.close()
    assert "postgresql-client" in str(caught.value.hint)
    assert not drafts(places.state / "checkpoints")


async def test_a_service_writes_its_data_and_reads_them_back_once_it_is_well(
    places: Places, database: Database, tmp_path: Path
) -> None:
    (tmp_path / "shelves").write_text("many books")
    library = {
        "command": ["sleep", "1000"],
        "directory": str(tmp_path),
        "environment": {"SHELVES": "shelves"},
        "dump": ["sh", "-c", "cat $SHELVES"],
        "restore": ["sh", "-c", "cat > $SHELVES"],
    }
    declare(places, services={"library": library})
    made = await desk_of(places, database).make("a test")
    (tmp_path / "shelves").write_text("burnt")

    other = Places.of(tmp_path / "other")
    restore(FolderShelf(places.state / "checkpoints"), made.name, other, at=0.0)
    services = {"library": Service.model_validate(library)}
    asked = 0

    async def well(name: str) -> bool:
        nonlocal asked
        asked += 1
        assert (tmp_path / "shelves").read_text() == "burnt", "not before it is well"
        return asked > 1

    feed = EventFeed(Events(database))
    assert list(pending(services, other)) == ["library"]
    await asyncio.wait_for(load_services(services, other, tmp_path, well, feed.add), 30)

    assert (tmp_path / "shelves").read_text() == "many books"
    assert not pending(services, other)
    assert "service-restored" in [event.kind for event in await Events(database).newest(10)]


async def test_a_dump_that_fails_makes_no_checkpoint(places: Places, database: Database) -> None:
    library = {"command": ["sleep", "1"], "dump": ["sh", "-c", "echo no disk >&2; exit 3"]}
    declare(places, services={"library": library})

    with pytest.raises(Failed, match="the dump of library: status 3: no disk"):
        await desk_of(places, database).make("a test")

    assert not list((places.state / "checkpoints").iterdir())


async def test_a_program_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    script = f"sleep 1000 & echo $! > {tmp_path}/child; wait"
    program = Program("a dump", ("sh", "-c", script), {})

    with pytest.raises(DeadlineExceeded, match="not done within 2 s"):
        await write_by(program, tmp_path / "dump", within=2.0)

    child = Path("/proc", (tmp_path / "child").read_text().strip(), "stat")
    async with asyncio.timeout(60):
        while child.exists() and " Z " not in child.read_text():
            await asyncio.sleep(0.05)


async def test_a_program_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no-such-program"):
        await write_by(Program("a dump", ("no-such-program",), {}), tmp_path / "dump")
