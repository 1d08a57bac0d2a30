"""`sutazai doctor`: findings as a table or for scripts, and an exit code that says enough."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from rich.console import Console

from sutazai.cli.doctor import Finding, Level
from sutazai.cli.doctor_command import report
from tests.cli.conftest import CommandLine

FREE = Finding("port 10010", Level.OK, "free", "control will listen there")
FULL = Finding("disk", Level.PROBLEM, "0B free", "nothing can be kept", "make room")


def test_each_finding_says_what_it_means_and_how_to_mend_it() -> None:
    screen = Console(width=60)
    with screen.capture() as captured:
        screen.print(report([FREE, FULL]))

    lines = [line.split(maxsplit=1) for line in captured.get().splitlines()]
    assert ["✓", "port 10010  free"] in [[first, rest.rstrip()] for first, rest in lines]
    assert "→ make room" in captured.get()
    assert captured.get().count("→") == 1


def test_it_fits_a_narrow_terminal() -> None:
    screen = Console(width=40)
    with screen.capture() as captured:
        screen.print(report([FULL, FREE]))

    assert all(len(line) <= 40 for line in captured.get().splitlines())


def test_a_machine_on_which_the_fleet_would_not_start_is_code_1(sutazai: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        Path("fleet.yaml").write_text(f"name: tiny\nports: {{control: {port}}}\n")

        said = sutazai("doctor", "--json")

    assert said.code == 1
    problems = [each for each in json.loads(said.out) if each["level"] == "problem"]
    assert any(str(port) in problem["subject"] and problem["fix"] for problem in problems)


def test_a_fleet_file_that_cannot_be_used_keeps_nobody_from_looking(sutazai: CommandLine) -> None:
    Path("fleet.yaml").write_text("name: tiny\nagnets: {}\n")

    said = sutazai("doctor")

    assert "sutazai check fleet.yaml" in said.err
    assert "memory" in said.out
