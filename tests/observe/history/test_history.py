"""A real file: falling resolution, jumping clocks, kills, full disks, broken files."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sutazai.fleet.errors import DiskFull
from sutazai.observe.history import History, Points, Query, Tier
from sutazai.observe.history.catalogue import SERIES_MAX
from sutazai.observe.samples import Sample

SMALL = (Tier(10, 12), Tier(60, 12, 4), Tier(600, 12, 3))
BEGIN = 1_800_000_000


def look(value: float, *agents: str) -> list[Sample]:
    return [Sample("memory", (("agent", agent),), value) for agent in agents or ("a",)]


def ask(
    history: History, start: int, end: int, *, points: int = 1_000, agent: str = "a"
) -> list[Points]:
    query = Query(
        name="memory", labels={"agent": agent}, start=start, end=end, now=end, points=points
    )
    return history.read(query)


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    opened = History(tmp_path / "history.sqlite", SMALL)
    yield opened
    opened.close()


def rows(path: Path, table: str) -> int:
    with sqlite3.connect(path) as connection:
        (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    connection.close()
    return int(count)


def test_what_was_just_measured_is_read_as_it_was(history: History) -> None:
    for step in range(6):
        history.record(BEGIN + 10 * step, look(float(step), "a", "b"))

    (one,) = ask(history, BEGIN, BEGIN + 60)

    assert one.labels == (("agent", "a"),) and one.step == 10
    assert one.times == tuple(BEGIN + 10 * step for step in range(6))
    assert one.mean == one.low == one.high == (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
    assert ask(history, BEGIN, BEGIN + 60, agent="c") == []


def test_what_is_older_is_kept_with_its_mean_and_bounds(history: History) -> None:
    for step in range(6 * 60):
        history.record(BEGIN + 10 * step, look(float(step % 6)))
    end = BEGIN + 3_600

    (minutes,) = ask(history, end - 600, end, points=20)
    (all_of_it,) = ask(history, BEGIN, end)

    assert minutes.step == 60 and set(minutes.mean) == {2.5}
    assert (set(minutes.low), set(minutes.high)) == ({0.0}, {5.0})
    assert all_of_it.step == 600 and len(all_of_it.times) == 5  # the sixth is not over
    assert set(all_of_it.mean) == {2.5}


def test_it_grows_to_a_bound(history: History, tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    for step in range(2_000):
        history.record(BEGIN + 10 * step, look(random.random(), "a", "b", f"now-{step // 500}"))

    assert rows(path, "strips") <= 12 + 2 * 4 + 2 * 3
    assert rows(path, "packs") <= 12 // 4 + 12 // 3
    assert rows(path, "chunks") <= rows(path, "packs") * 4
    assert rows(path, "series") <= 2 + 3  # of agents that are gone for long nothing is left


def test_a_clock_that_jumps_neither_empties_it_nor_stops_it(history: History) -> None:
    for step in range(6):
        history.record(BEGIN + 10 * step, look(1.0))
    history.record(BEGIN + 10**9, look(2.0))  # somebody set the year wrong
    for step in range(6, 9):
        history.record(BEGIN + 10 * step, look(3.0))

    (one,) = ask(history, BEGIN, BEGIN + 100)

    assert one.mean == (1.0,) * 6 + (3.0,) * 3
    for step in range(20):  # an hour back
        history.record(BEGIN - 3_600 + 10 * step, look(4.0))
    (back,) = ask(history, BEGIN - 3_600, BEGIN - 3_400)
    assert set(back.mean) == {4.0}


def test_a_kill_costs_nothing_that_was_recorded(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from sutazai.observe.history import History
from sutazai.observe.samples import Sample
history = History(Path(sys.argv[1]))
for step in range(10**9):
    samples = [Sample("memory", (("agent", str(n)),), float(step)) for n in range(50)]
    history.record(1_800_000_000 + 10 * step, samples)
    print(step, flush=True)
"""
    path = tmp_path / "history.sqlite"
    for _ in range(3):
        command = [sys.executable, "-c", program, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                done = next(int(line) for line in process.stdout if int(line) >= 20)
            finally:
                process.kill()
            done = max([done, *(int(line) for line in process.stdout if line.endswith("\n"))])

        opened = History(path)
        end = BEGIN + 10 * done
        (one,) = ask(opened, end - 100, end, agent="7")
        opened.close()
        assert one.times[-1] == end and one.high[-1] >= done


def test_a_broken_file_is_moved_aside(history: History, tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    path.write_bytes(b"this is no database" * 1_000)

    history.record(BEGIN, look(1.0))

    assert len(ask(history, BEGIN, BEGIN + 10)) == 1
    assert (tmp_path / "history.sqlite.broken").exists()


def test_more_series_than_there_is_room_for_are_left_out(history: History) -> None:
    names = [f"agent-{number}" for number in range(SERIES_MAX + 100)]
    history.record(BEGIN, look(1.0, *names))

    assert len(ask(history, BEGIN, BEGIN + 10, agent=names[0])) == 1
    assert ask(history, BEGIN, BEGIN + 10, agent=names[-1]) == []


@pytest.mark.parametrize("agent", ['a"b', "a\nb", "\u2028", "ü", ""])
def test_any_name_can_be_kept(history: History, agent: str) -> None:
    history.record(BEGIN, look(1.0, agent))
    assert ask(history, BEGIN, BEGIN + 10, agent=agent)[0].labels == (("agent", agent),)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of half a MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a disk of its own cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_said_and_recording_goes_on_once_there_is_room(small_disk: Path) -> None:
    history = History(small_disk / "history.sqlite")
    agents = [f"agent-{number}" for number in range(200)]
    hog = small_disk / "hog"

    def fill() -> None:
        for step in range(1, 1_000):
            history.record(BEGIN + 10 * step, look(2.0, *agents))

    try:
        history.record(BEGIN, look(1.0, *agents))
        with suppress(OSError):
            hog.write_bytes(bytes(1024**2))
        with pytest.raises(DiskFull):
            fill()

        hog.unlink()
        history.record(BEGIN + 20_000, look(3.0, *agents))

        (old,) = ask(history, BEGIN, BEGIN + 20_100, agent="agent-7")
        (new,) = ask(history, BEGIN + 19_000, BEGIN + 20_100, agent="agent-7")
        assert old.times[0] == BEGIN
        assert new.mean == (3.0,)
    finally:
        history.close()
