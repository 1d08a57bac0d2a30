"""`sutazai logs`: all units' lines in one order, followed over turns of the files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sutazai.cli.log_files import Tail
from tests.cli.conftest import CommandLine

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SECRET = "sk-0123456789abcdef0123456789"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "fleet" / "logs"
    folder.mkdir(parents=True)
    return folder


def write(folder: Path, name: str, *texts: str, ago: float = 0.0) -> None:
    """Lines of a unit, as the host writes them."""
    stamp = datetime.fromtimestamp(time.time() - ago, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    unit = name.partition(".")[0]
    with (folder / name).open("a") as log:
        log.writelines(f"{stamp} {unit}-1 | {text}\n" for text in texts)


def texts(sutazai: CommandLine, logs: Path, *words: str) -> list[str]:
    said = sutazai("logs", "--json", "--state", str(logs.parent), *words)
    assert said.code == 0, said.err
    return [json.loads(line)["text"] for line in said.out.splitlines()]


def test_lines_of_all_units_come_in_one_order(sutazai: CommandLine, logs: Path) -> None:
    write(logs, "planner.1.log", "long ago", ago=3600)
    write(logs, "planner.log", "then", ago=60)
    write(logs, "control.log", "before that", ago=120)
    write(logs, "control.log", "now")

    assert texts(sutazai, logs) == ["long ago", "before that", "then", "now"]
    assert texts(sutazai, logs, "planner") == ["long ago", "then"]
    assert texts(sutazai, logs, "-n", "2") == ["then", "now"]
    assert texts(sutazai, logs, "--since", "5m") == ["before that", "then", "now"]
    assert texts(sutazai, logs, "--grep", "^(then|now)$") == ["then", "now"]


def test_secrets_are_masked_and_no_line_drives_the_terminal(
    sutazai: CommandLine, logs: Path
) -> None:
    write(logs, "planner.log", f"key {SECRET} \x1b[2J[bold]gone")

    said = sutazai("logs", "--state", str(logs.parent)).out

    assert SECRET not in said and "\x1b" not in said
    assert "planner-1 key [removed]" in said and "[bold]gone" in said


def test_lines_about_a_task_or_a_run_are_found_in_both_forms(
    sutazai: CommandLine, logs: Path
) -> None:
    write(logs, "planner.log", f"INFO reads [task=task-1 run=run-1 trace={TRACE}]", "   more")
    write(logs, "planner.log", f"WARNING another's [task=task-2 trace={TRACE}]")
    write(logs, "control.log", "ERROR sutazai.tasks: task task-1 failed in an unforeseen way")
    told = {"time": "2030-01-02T03:04:05Z", "level": "ERROR", "message": "key " + SECRET}
    with (logs / "writer.log").open("a") as log:
        log.write(json.dumps({**told, "instance": "writer-1", "task": "task-1"}) + "\n")

    assert {*texts(sutazai, logs, "--task", "task-1")} == {
        *("reads", "   more", "task task-1 failed in an unforeseen way", "key [removed]"),
    }
    assert texts(sutazai, logs, "--run", "run-1") == ["reads", "   more"]
    assert texts(sutazai, logs, "--level", "warning", "planner") == ["another's"]
    assert texts(sutazai, logs, "--task", "task-1", "--level", "error", "--grep", "key") == [
        "key [removed]"
    ]


def test_scripts_get_all_that_is_known_of_a_line(sutazai: CommandLine, logs: Path) -> None:
    write(logs, "planner.log", f"INFO reads [task=task-1 run=run-1 trace={TRACE}]")

    line = json.loads(sutazai("logs", "--json", "--state", str(logs.parent)).out)

    assert line.pop("at") <= time.time()
    assert line == {
        "unit": "planner",
        "source": "planner-1",
        "text": "reads",
        "level": "INFO",
        "task": "task-1",
        "run": "run-1",
        "trace": TRACE,
    }


def test_people_see_what_a_line_is_about_at_its_end(sutazai: CommandLine, logs: Path) -> None:
    write(logs, "planner.log", f"INFO reads [task=task-1 run=run-1 trace={TRACE}]")

    said = sutazai("logs", "--state", str(logs.parent)).out

    assert said.rstrip().endswith("planner-1 INFO reads  task-1  run-1")


def test_an_exception_stands_below_its_line(sutazai: CommandLine, logs: Path) -> None:
    told = {"time": "2030-01-02T03:04:05Z", "level": "ERROR", "message": "it failed", "task": "t"}
    told |= {"instance": "writer-1", "exception": "Traceback:\nValueError: x"}
    (logs / "writer.log").write_text(json.dumps(told) + "\n")

    said = sutazai("logs", "--state", str(logs.parent)).out.splitlines()

    assert said[0].endswith("writer-1 ERROR it failed  t")
    assert said[1:] == ["  Traceback:", "  ValueError: x"]


def test_what_cannot_be_is_refused(sutazai: CommandLine, logs: Path) -> None:
    write(logs, "planner.log", "x")
    state = ("--state", str(logs.parent))

    unknown = sutazai("logs", "plannr", *state)
    assert unknown.code == 4 and "planner" in unknown.err
    assert sutazai("logs", "--since", "soon", *state).code == 2
    assert sutazai("logs", "--grep", "(", *state).code == 2
    assert sutazai("logs", "--level", "loud", *state).code == 2


def test_a_tail_goes_on_over_a_turn_of_the_file(logs: Path) -> None:
    write(logs, "planner.log", "old")
    tail = Tail(logs, "planner")
    assert tail.more() == []

    with (logs / "planner.log").open("a") as log:
        log.write("one\ntw")
    assert tail.more() == ["one"]
    with (logs / "planner.log").open("a") as log:
        log.write("o\n")
    assert tail.more() == ["two"]

    os.replace(logs / "planner.log", logs / "planner.1.log")
    assert tail.more() == []
    (logs / "planner.log").write_text("three\n")
    assert tail.more() == ["three"]


def test_it_follows_until_it_is_ended(logs: Path) -> None:
    write(logs, "planner.log", "first")
    command = [sys.executable, "-m", "sutazai.cli", "logs", "-f", "--state", str(logs.parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as following:
        try:
            assert following.stdout is not None
            assert "first" in following.stdout.readline()
            write(logs, "planner.log", "second")
            assert "second" in following.stdout.readline()
        finally:
            following.kill()
