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


def test_what_cannot_be_is_refused(sutazai: CommandLine, logs: Path) -> None:
    write(logs, "planner.log", "x")
    state = ("--state", str(logs.parent))

    unknown = sutazai("logs", "plannr", *state)
    assert unknown.code == 4 and "planner" in unknown.err
    assert sutazai("logs", "--since", "soon", *state).code == 2
    assert sutazai("logs", "--grep", "(", *state).code == 2


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
