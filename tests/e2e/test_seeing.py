"""What people see of a real fleet: one agent's page, and who takes the machine and the model."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from tests.e2e.fleet import Fleet, eventually

ROWS, COLUMNS = 24, 80
MAIN_SCREEN, CURSOR_SHOWN = b"\x1b[?1049l", b"\x1b[?25h"


def page(fleet: Fleet, agent: str) -> dict[str, Any]:
    value = json.loads(fleet.must("agents", "show", agent, "--json"))
    assert isinstance(value, dict)
    return value


def top(fleet: Fleet, *more: str) -> dict[str, Any]:
    value = json.loads(fleet.must("top", "--json", *more))
    assert isinstance(value, dict)
    return value


def pid_of(unit: dict[str, Any]) -> int:
    return int(unit["instances"][0]["pid"])


def test_a_page_tells_why_and_what_the_agent_wrote_and_asked(small_fleet: Fleet) -> None:
    small_fleet.must("ask", "echo", "hello")
    small_fleet.must("ask", "planner", "Say hi.")

    echo = page(small_fleet, "echo")
    planner = eventually(lambda: (found := page(small_fleet, "planner"))["calls"] and found)

    assert echo["why"].startswith("it has run since ")
    assert any(line.endswith("| echo was asked") for line in echo["log"])
    assert (planner["calls"][0]["caller"], planner["calls"][0]["outcome"]) == ("planner", "done")
    assert planner["problems"] == []


def test_who_sleeps_says_what_wakes_it(small_fleet: Fleet) -> None:
    shown = small_fleet.must("agents", "show", "sleepy")

    assert "asleep: warm: nobody has asked for it since" in shown
    assert "the next call wakes it" in shown


def test_who_ended_says_how(small_fleet: Fleet) -> None:
    small_fleet.cli("ask", "trouble", "exit")

    def shown_end() -> str:
        shown = small_fleet.must("agents", "show", "trouble")
        return shown if "exited with status 17" in shown else ""

    shown = eventually(shown_end, what="its end is told")
    assert "about to exit" in shown


def test_an_unknown_name_suggests_a_near_one(small_fleet: Fleet) -> None:
    done = small_fleet.cli("agents", "show", "ecko")

    assert done.returncode == 4
    assert "did you mean `echo`?" in done.stderr


def test_top_has_every_unit_with_what_it_takes(small_fleet: Fleet) -> None:
    small_fleet.must("ask", "planner", "Say hi.")

    def all_told() -> dict[str, Any] | None:
        seen = top(small_fleet, "--sort", "llm")
        return None if seen["silent"] else seen

    seen = eventually(all_told, what="each part tells in time")
    rows = {row["name"]: row for row in seen["rows"]}
    assert {"planner", "echo", "sleepy", "gateway", "control", "llm"} <= rows.keys()
    assert rows["echo"]["memory"] > 0 and rows["echo"]["cpu"] is not None
    assert rows["planner"]["calls"] > 0 and rows["planner"]["share"] > 0
    assert seen["rows"][0]["share"] == max(row["share"] for row in seen["rows"])


def test_top_goes_on_while_control_is_away(small_fleet: Fleet) -> None:
    with hanging(small_fleet, "control"):
        shown = small_fleet.must("top")

    assert "! control does not answer, it may be restarting" in shown
    assert "echo" in shown
    eventually(lambda: not top(small_fleet)["silent"], what="control answers again")


def test_top_lives_on_a_terminal_and_leaves_it_as_it_was(small_fleet: Fleet) -> None:
    with on_a_terminal(small_fleet, "top") as (process, terminal):
        drawn = read_until(terminal, b"planner")
        with hanging(small_fleet, "gateway"):
            drawn += read_until(terminal, b"gateway does not answer")
        process.send_signal(signal.SIGINT)
        drawn += read_until(terminal, CURSOR_SHOWN)
        assert process.wait(30) == 0

    assert MAIN_SCREEN in drawn
    assert b"Traceback" not in drawn
    eventually(lambda: not top(small_fleet)["silent"], what="the gateway is back")


@contextmanager
def hanging(fleet: Fleet, plane: str) -> Iterator[None]:
    """One of our processes is there and answers nothing, for longer than a restart would take."""
    pid = pid_of(fleet.plane(plane))
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # it was restarted meanwhile
            os.kill(pid, signal.SIGCONT)


@contextmanager
def on_a_terminal(fleet: Fleet, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A command on a terminal of its own, and the other end of that."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    command = [sys.executable, "-m", "sutazai.cli", *words, "--state", str(fleet.state)]
    environment = {**fleet.environment, "TERM": "xterm-256color"}
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, close_fds=True
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait(30)
        os.close(ours)


def read_until(terminal: int, wanted: bytes, within: float = 60.0) -> bytes:
    """What is drawn until ``wanted`` is among it."""
    drawn, until = b"", time.monotonic() + within
    while wanted not in drawn:
        readable, _, _ = select.select([terminal], [], [], max(0.0, until - time.monotonic()))
        assert readable, f"{wanted!r} was not drawn, but {drawn[-2000:]!r}"
        drawn += os.read(terminal, 65536)
    return drawn


def test_a_task_s_time_is_told_down_to_its_calls_to_models(small_fleet: Fleet) -> None:
    given = json.loads(
        small_fleet.must("tasks", "submit", "planner", "Say hi.", "--wait", "--json")
    )

    def asked() -> list[dict[str, Any]]:
        trace = json.loads(small_fleet.must("trace", given["id"], "--json"))
        (attempt,) = (span for span in trace["spans"] if span["name"].startswith("attempt 1"))
        assert trace["started"] <= attempt["started"] < attempt["ended"] <= trace["ended"]
        return list(attempt["spans"])

    (call, *_) = eventually(asked, what="a call that is recorded")
    assert call["name"].startswith("planner asks ")
    assert call["spans"][-1]["name"] == "to the last token"
    assert "planner asks" in small_fleet.must("trace", given["id"])


def test_logs_of_agents_and_of_the_house_are_read_together(small_fleet: Fleet) -> None:
    small_fleet.must("ask", "echo", "hello")

    def lines() -> list[dict[str, Any]]:
        said = small_fleet.must("logs", "echo", "control", "--json", "--since", "1h")
        return [json.loads(line) for line in said.splitlines()]

    told = eventually(
        lambda: (seen := lines()) and {"echo was asked"} <= {one["text"] for one in seen} and seen,
        what="what echo printed",
    )
    assert {one["unit"] for one in told} == {"echo", "control"}
    assert [one["at"] for one in told] == sorted(one["at"] for one in told)
