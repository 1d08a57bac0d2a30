"""How each process ended: what the keeper writes down, and how much of it is kept."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

from sutazai.keeper import processes
from sutazai.keeper.reaper import Exit, Journal
from tests.keeper.machine import Machine, until

ORPHANS = """
def leave(): note('left', os.getpid()); time.sleep(0.2); os._exit(7)
def linger():
    note('lingers', os.getpid())
    while True: time.sleep(60)
orphan(leave)
orphan(linger)
note('host', os.getpid())
while True: time.sleep(60)
"""


def exit_of(pid: int, waited: int) -> Exit:
    return Exit(pid, 1, waited=waited, peak_rss=4096, at=1000.0)


def parent(pid: int) -> int | None:
    process = processes.read(pid)
    return process.parent if process else None


def test_an_end_is_a_status_or_a_signal() -> None:
    assert exit_of(5, 0x0300).as_dict() == {
        "pid": 5,
        "start_time": 1,
        "status": 3,
        "at": 1000.0,
        "peak_rss": 4096,
    }
    assert exit_of(5, signal.SIGKILL).as_dict()["signal"] == "SIGKILL"
    assert exit_of(5, signal.SIGRTMIN + 3).as_dict()["signal"] == f"SIG{signal.SIGRTMIN + 3}"


def test_the_journal_is_bounded_and_keeps_one_older_file(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path), limit=1000)
    for pid in range(100):
        journal.append(exit_of(pid, 0))
    journal.close()
    old, new = tmp_path / "exits.1.jsonl", tmp_path / "exits.jsonl"
    lines = [*old.read_text().splitlines(), *new.read_text().splitlines()]
    pids = [json.loads(line)["pid"] for line in lines]
    assert pids == list(range(pids[0], 100))
    assert max(old.stat().st_size, new.stat().st_size) <= 1000
    assert new.stat().st_mode & 0o777 == 0o600


def test_a_new_keeper_goes_on_with_the_journal(tmp_path: Path) -> None:
    for pid in (1, 2):
        journal = Journal(str(tmp_path))
        journal.append(exit_of(pid, 0))
        journal.close()
    lines = (tmp_path / "exits.jsonl").read_text().splitlines()
    assert [json.loads(line)["pid"] for line in lines] == [1, 2]


def test_ends_of_processes_forked_twice_are_written_down(machine: Machine) -> None:
    started = time.time()
    assert machine.start(ORPHANS)["ok"]
    lingers = machine.note("lingers")
    before = processes.read(lingers)
    assert before is not None
    until(lambda: parent(lingers) == machine.keeper.pid)

    os.kill(lingers, signal.SIGKILL)

    killed = machine.journalled(lingers)
    assert killed["signal"] == "SIGKILL" and "status" not in killed
    assert killed["start_time"] == before.start_time
    assert killed["peak_rss"] > 1024 * 1024
    assert started < killed["at"] <= time.time()

    left = machine.journalled(machine.note("left"))
    assert left["status"] == 7 and "signal" not in left
    assert left["start_time"] <= before.start_time


def test_a_host_that_was_dead_meanwhile_still_learns_how_they_ended(machine: Machine) -> None:
    machine.start(ORPHANS)
    host, lingers = machine.note("host"), machine.note("lingers")
    os.kill(host, signal.SIGKILL)
    os.kill(lingers, signal.SIGTERM)
    assert machine.journalled(host)["signal"] == "SIGKILL"
    assert machine.journalled(lingers)["status"] == 0  # the script answers SIGTERM with exit 0
