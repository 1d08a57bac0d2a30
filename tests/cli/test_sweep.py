"""What a killed keeper leaves is found by its mark and ended; nobody else's process is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from sutazai.cli.sweep import marked, sweep, wait_for_end

SLEEP = "import time; time.sleep(60)"
DEAF = (
    "import signal, time; signal.signal(15, signal.SIG_IGN);print('up', flush=True); time.sleep(60)"
)
CHILD = f"print('up', flush=True); {SLEEP}"
PARENT = (
    "import subprocess, sys, time;"
    f"child = subprocess.Popen([sys.executable, '-c', {CHILD!r}], stdout=subprocess.PIPE,"
    " start_new_session=True);"
    "child.stdout.readline(); print('up', flush=True); time.sleep(60)"
)

Spawn = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def mark(tmp_path: object) -> str:
    return f"SUTAZAI_MARK={tmp_path}"


@pytest.fixture
def spawn(mark: str) -> Iterator[Spawn]:
    """Starts Python programs that carry the mark, detached as a fleet's are."""
    started: list[subprocess.Popen[bytes]] = []

    def start(code: str = SLEEP, *, detached: bool = True) -> subprocess.Popen[bytes]:
        name, _, value = mark.partition("=")
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, name: value},
            stdout=subprocess.PIPE,
            start_new_session=detached,
        )
        started.append(process)
        if "print" in code:
            assert process.stdout is not None
            process.stdout.readline()
        return process

    yield start
    for process in started:
        process.kill()
        process.wait(60)
        if process.stdout:
            process.stdout.close()


def test_everything_that_carries_the_mark_is_ended(mark: str, spawn: Spawn) -> None:
    first, second = spawn(), spawn()

    assert sweep(mark) == 2

    assert (first.wait(60), second.wait(60)) == (-signal.SIGTERM, -signal.SIGTERM)
    assert marked(mark) == []


def test_children_in_sessions_of_their_own_are_found_too(mark: str, spawn: Spawn) -> None:
    spawn(PARENT)

    assert len(marked(mark)) == 2
    assert sweep(mark) == 2
    assert marked(mark) == []


def test_what_does_not_listen_is_killed(mark: str, spawn: Spawn) -> None:
    deaf = spawn(DEAF)

    assert sweep(mark, grace=0.1) == 1
    assert deaf.wait(60) == -signal.SIGKILL


def test_what_is_stopped_is_ended_politely(mark: str, spawn: Spawn) -> None:
    halted = spawn()
    halted.send_signal(signal.SIGSTOP)

    assert sweep(mark) == 1
    assert halted.wait(60) == -signal.SIGTERM


def test_the_sessions_of_people_are_left_alone(mark: str, spawn: Spawn) -> None:
    ours = spawn(detached=False)

    assert marked(mark) == []
    assert sweep(mark) == 0
    assert ours.poll() is None


def test_another_fleets_mark_that_begins_alike_is_not_ours(mark: str, spawn: Spawn) -> None:
    spawn()

    assert marked(mark[:-1]) == []


def test_waiting_for_a_process_says_whether_it_ended(spawn: Spawn) -> None:
    lasting, ending = spawn(), spawn()
    ending.terminate()

    assert wait_for_end(ending.pid, 5)
    assert not wait_for_end(lasting.pid, 0.05)
