"""The record survives its process, and the process survives its record."""

from __future__ import annotations

import asyncio
import logging
import signal
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import closing
from pathlib import Path

import pytest

from sutazai.gateway.records.search import Query
from tests.gateway.records.conftest import running, written
from tests.gateway.records.makers import call

REPOSITORY = Path(__file__).parents[3]


async def writing(*arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.gateway.records.writing", *arguments),
        cwd=REPOSITORY,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
    )


async def line_of(process: Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(20):
        return (await process.stdout.readline()).decode().strip()


@pytest.mark.parametrize("told", [1_000, 2_600, 4_500])
async def test_killed_in_the_midst_it_has_all_that_was_written(path: Path, told: int) -> None:
    process = await writing(str(path))
    while int(await line_of(process)) < told:
        pass
    process.send_signal(signal.SIGKILL)
    await process.communicate()

    async with running(path) as store:
        found = [one.call.id for one in await store.search(Query(limit=10_000))]
        assert len(found) > told
        assert found == [f"call-{number}" for number in reversed(range(len(found)))]
        letters = await store.letters.list(2_000)
        assert (await store.letters.get(letters[0].id)).body
        store.observe([call(id="after")])
        await written(store)
        assert await store.search(Query(id="after"))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_with_the_disk_full_calls_go_on_and_it_is_said_once(path: Path) -> None:
    process = await writing(str(path), "300000")
    assert int(await line_of(process)) > 0
    assert await line_of(process) == "1", "what is on the disk is found"
    assert process.stdin is not None
    process.stdin.write(b"\n")
    assert await line_of(process) == "call-last"
    _, stderr = await process.communicate()

    assert process.returncode == 0
    assert stderr.decode().count("calls are not recorded") == 1


async def test_a_broken_file_is_moved_aside(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(b"this is no database, but it was long enough to be one" * 100)

    async with running(path) as store:
        store.observe([call(id="new")])
        await written(store)
        assert [one.call.id for one in await store.search(Query())] == ["new"]
        assert store.dropped == 0

    assert path.with_name(f"{path.name}.broken").read_bytes().startswith(b"this is no")
    assert [one.levelno for one in caplog.records] == [logging.WARNING]


async def test_a_file_that_breaks_while_it_is_used_is_moved_aside(path: Path) -> None:
    async with running(path) as store:
        for number in range(3_000):
            store.observe([call(id=f"old-{number}")])
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)  # all but the first page
    path.write_bytes(data)

    async with running(path) as store:
        for number in range(100):
            store.observe([call(id=f"new-{number}")])
        await written(store)
        assert len(await store.search(Query(limit=1_000))) == 100


async def test_a_file_of_another_version_is_moved_aside(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE calls (x); PRAGMA user_version = 99")

    async with running(path) as store:
        store.observe([call(id="new")])
        await written(store)
        assert [one.call.id for one in await store.search(Query())] == ["new"]
    assert path.with_name(f"{path.name}.broken").exists()


async def test_a_file_with_a_row_for_each_call_is_moved_aside(path: Path) -> None:
    """As it was made before calls were packed."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE calls (number INTEGER PRIMARY KEY, id TEXT, at REAL);"
            "INSERT INTO calls VALUES (1, 'old', 1.0); PRAGMA user_version = 1"
        )

    async with running(path) as store:
        assert await store.search(Query()) == ()
        store.observe([call(id="new")])
        await written(store)
        assert [one.call.id for one in await store.search(Query())] == ["new"]
    with closing(sqlite3.connect(path.with_name(f"{path.name}.broken"))) as connection:
        assert connection.execute("SELECT id FROM calls").fetchall() == [("old",)]


async def test_a_folder_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "later" / "gateway-calls.sqlite"
    async with running(path) as store:
        store.observe([call(id="lost")])
        with pytest.raises(Exception, match="cannot be written"):
            await store.letters.clear()
        assert store.dropped == 1
        path.parent.mkdir()
        store.observe([call(id="kept")])
        await written(store)
        assert [one.call.id for one in await store.search(Query())] == ["kept"]
