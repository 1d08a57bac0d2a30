"""`sutazai top` on a terminal: what its keys do, and that the terminal comes back as it was."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fcntl import ioctl
from pathlib import Path
from struct import pack

import pytest
from rich.console import Console

from sutazai.cli.top.figures import Figures, History, Row, Sort
from sutazai.cli.top.keys import Viewing, keys_of
from sutazai.cli.top.screen import watched_view
from sutazai.fleet.places import Places
from sutazai.wire import Response
from tests.cli.examples import MIB, NOW
from tests.cli.fake_control import FakeControl
from tests.cli.fake_gateway import FakeGateway
from tests.cli.test_top import look, unit


def pressed(viewing: Viewing, typed: bytes) -> Viewing:
    for key in keys_of(typed):
        viewing = viewing.pressed(key)
    return viewing


def figures_of(count: int) -> Figures:
    units = [unit(f"agent-{number:02}", pss=(count - number) * MIB) for number in range(count)]
    return History().add(look(NOW, *units), Sort.MEMORY)


def drawn(figures: Figures, viewing: Viewing, *, height: int = 14) -> tuple[list[str], Viewing]:
    screen = Console(width=80, color_system=None, file=None)
    view, viewing = watched_view(figures, viewing, width=80, height=height)
    with screen.capture() as captured:
        screen.print(view)
    return captured.get().splitlines(), viewing


def test_keys_are_read_from_what_terminals_send() -> None:
    assert list(keys_of(b"q\x1b[A\x1b[B\x1b[5~\x1b[6~\x1bOH/a\x7f\r\x1b")) == [
        "q", "up", "down", "page-up", "page-down", "home", "/", "a", "backspace", "enter", "escape",
    ]  # fmt: skip
    assert list(keys_of(b"\x1b[1;5C\x00")) == ["\x1b[1;5C"]
    assert pressed(Viewing(), b"\x1b[1;5C\x00") == Viewing(), "what means nothing changes nothing"


def test_columns_are_chosen_to_both_sides_and_round() -> None:
    assert pressed(Viewing(sort=Sort.MEMORY), b"s").sort is Sort.CPU
    assert pressed(Viewing(sort=Sort.MEMORY), b"<<").sort is Sort.UNIT
    assert pressed(Viewing(sort=Sort.UNIT), b"<").sort is Sort.LLM
    assert pressed(Viewing(sort=Sort.LLM), b">").sort is Sort.UNIT


def test_letters_of_a_filter_are_no_commands() -> None:
    typing = pressed(Viewing(), b"/Quit\x7f")
    assert (typing.filter, typing.typing, typing.left) == ("Qui", True, False)
    kept = pressed(typing, b"\rp")
    assert (kept.filter, kept.typing, kept.paused) == ("Qui", False, True)
    assert pressed(kept, b"\x1b").filter == ""
    rows = (Row(name="quiet"), Row(name="loud"))
    assert [row.name for row in kept.chosen(rows)] == ["quiet"]


def test_it_scrolls_to_both_ends_and_not_beyond() -> None:
    figures = figures_of(30)
    lines, viewing = drawn(figures, Viewing())
    assert len(lines) <= 14
    assert lines[-1] == "1-6 of 30 units  sorted by memory  ? help"
    lines, viewing = drawn(figures, pressed(viewing, b"\x1b[6~\x1b[B"))
    assert lines[-1].startswith("8-13 of 30 units")
    lines, viewing = drawn(figures, pressed(viewing, b"\x1b[F"))
    assert lines[-1].startswith("25-30 of 30 units")
    lines, viewing = drawn(figures, pressed(viewing, b"\x1b[A"))
    assert lines[-1].startswith("24-29 of 30 units")
    lines, viewing = drawn(figures, replace(viewing, filter="agent-1"))
    assert lines[-1].startswith("5-10 of 10 of 30 units"), "fewer rows are left"
    assert drawn(figures, pressed(viewing, b"?"))[0][0].startswith("q  ")


class Shown:
    """A real `sutazai top` on a terminal of its own."""

    def __init__(self) -> None:
        self.ours, self.theirs = pty.openpty()
        ioctl(self.theirs, termios.TIOCSWINSZ, pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(self.theirs)
        takes_terminal = (
            "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
            "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", takes_terminal, "-m", "sutazai.cli", "top"],
            stdin=self.theirs,
            stdout=self.theirs,
            stderr=self.theirs,
            env={**os.environ, "TERM": "xterm"},
            start_new_session=True,
        )
        self.said = ""

    def type(self, keys: bytes) -> None:
        os.write(self.ours, keys)

    def until(self, holds: Callable[[], bool]) -> None:
        until = time.monotonic() + 60
        while not holds():
            assert time.monotonic() < until, self.said[-2000:]
            if select.select([self.ours], [], [], 0.05)[0]:
                self.said += os.read(self.ours, 65536).decode(errors="replace")

    def says(self, pattern: str) -> None:
        """Waits until that is on the screen, and forgets what was there."""
        self.until(lambda: re.search(pattern, self.said) is not None)
        self.said = ""

    @property
    def as_before(self) -> bool:
        return termios.tcgetattr(self.theirs) == self.before

    def ends(self) -> int:
        """Waits for its end; the exit code. The screen and the cursor are back."""
        self.until(lambda: self.process.poll() is not None)
        self.until(lambda: not select.select([self.ours], [], [], 0)[0])
        assert self.as_before
        assert "\x1b[?1049l" in self.said and "\x1b[?25h" in self.said
        return int(self.process.returncode)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.ours)
        os.close(self.theirs)


@pytest.fixture
def shown(control: FakeControl, fleet: Places) -> Iterator[Shown]:
    """Forty clients of a gateway, without a host."""
    control.json("GET /tasks/open", {})
    stats = {
        "uptime": 60.0, "queued": {"high": 0, "medium": 0, "low": 0}, "oldest_wait": 0.0,
        "running": 0, "paused": False, "backends": [{"available": True, "slots": 2}],
    }  # fmt: skip
    samples = "".join(
        f'sutazai_gateway_agent_{what}_total{{agent="editor-{number:02}",model="x"}} 1\n'
        for number in range(40)
        for what in ("requests", "tokens")
    )
    metrics = Response(200, [("content-type", "text/plain")], samples.encode())
    with FakeGateway(fleet, {"GET /stats": stats, "GET /metrics": metrics}):
        running = Shown()
        yield running
        running.close()


def test_a_person_looks_around_and_leaves(shown: Shown) -> None:
    shown.says(r"1-\d+ of 40 units  sorted by memory")
    assert not shown.as_before, "keys come without Enter"
    shown.type(b"<<")
    shown.says("sorted by unit")
    shown.type(b"\x1b[F")
    shown.says(r"-40 of 40 units(?s:.)*")
    shown.type(b"/or-3\r")
    shown.says(r"1-10 of 10 of 40 units")
    shown.type(b"p")
    shown.says("paused")
    shown.type(b"?")
    shown.says("sort by the column before")
    shown.type(b"?q")
    assert shown.ends() == 0


def test_views_are_asked_for_when_somebody_turns_to_them(
    shown: Shown, control: FakeControl
) -> None:
    """Control knows no rollout, and of alerts nothing until it has them."""
    control.json("GET /tasks", [])
    control.json("GET /runs", [])
    shown.says("of 40 units")
    assert {one.path for one in control.asked} == {"/tasks/open"}
    shown.type(b"4")
    shown.says("none is under way")
    shown.type(b"5")
    shown.says("There was no rollout yet")
    shown.type(b"6")
    shown.says("nobody has answered yet")
    control.json("GET /alerts", [])
    shown.says("Nothing is wrong")
    shown.type(b"2")
    shown.says("of 40 units")
    shown.type(b"q")
    assert shown.ends() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_whatever_ends_it_the_terminal_comes_back(shown: Shown, number: signal.Signals) -> None:
    shown.says("of 40 units")
    shown.process.send_signal(number)
    assert shown.ends() == 0


def test_an_error_gives_the_terminal_back_before_it_is_told(shown: Shown, fleet: Places) -> None:
    shown.says("of 40 units")
    fleet.lock.unlink()  # as if the keeper had ended
    assert shown.ends() == 6
    assert "\x1b[?1049l" in shown.said.partition("the fleet was stopped")[0]


def test_after_ctrl_z_it_goes_on_where_it_was(shown: Shown) -> None:
    shown.says("of 40 units")
    shown.type(b"<")
    shown.says("sorted by state")
    shown.type(b"\x1a")
    stat = Path(f"/proc/{shown.process.pid}/stat")
    shown.until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")
    assert shown.as_before
    shown.process.send_signal(signal.SIGCONT)
    shown.says("sorted by state")
    assert not shown.as_before
    shown.type(b"q")
    assert shown.ends() == 0
