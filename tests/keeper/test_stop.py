"""The end of everything: the host in its own order, then whatever is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

from tests.keeper.machine import PATIENCE, Machine, answer, lives, until
from tests.ports import free_port

FAMILY = """
def idle(name):
    note(name, os.getpid())
    while True: time.sleep(60)
def child():
    idle('child')
def grandchild():
    if os.fork() == 0: idle('grandchild')
    idle('parent')
def runaway():
    os.setsid()
    idle('runaway')
for run in (child, grandchild, runaway): orphan(run)
note('host', os.getpid())
while True: time.sleep(60)
"""
NAMES = ("host", "child", "parent", "grandchild", "runaway")

STUBBORN = """
def deaf():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note('deaf', os.getpid())
    while True: time.sleep(60)
orphan(deaf)
note('host', os.getpid())
while True: time.sleep(60)
"""

SLOW = """
def leave(*_):
    note('asked', 1)
    while not os.path.exists(f"{folder}/go"): time.sleep(0.01)
    note('done', 1)
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
note('host', os.getpid())
while True: time.sleep(60)
"""

CRASH = "raise SystemExit(3)\n"


def ended(machine: Machine) -> bool:
    """The keeper is gone, with all that belonged to it and nothing in the way of the next."""
    assert machine.keeper.wait(PATIENCE) == 0
    assert not machine.marked()
    assert not (machine.runtime / "keeper.sock").exists()
    assert not (machine.runtime / "keeper.host").exists()
    return True


def test_stop_ends_the_host_and_everything_below_it(machine: Machine) -> None:
    machine.start(FAMILY)
    family = [machine.note(name) for name in NAMES]
    assert machine.ask("stop") == {"ok": True}
    assert not any(lives(pid) for pid in family)
    assert ended(machine)


def test_after_the_answer_the_next_keeper_can_start_at_once(machine: Machine) -> None:
    listeners = [{"name": "gateway", "host": "127.0.0.1", "port": free_port()}]
    for _ in range(3):
        assert machine.start(listeners=listeners)["ok"]
        assert machine.ask("stop") == {"ok": True}
    for keeper in machine.keepers:
        assert keeper.wait(PATIENCE) == 0


def test_sigterm_to_the_keeper_is_a_stop(machine: Machine) -> None:
    machine.start(FAMILY)
    machine.note("runaway")
    os.kill(machine.keeper.pid, signal.SIGTERM)
    assert ended(machine)


def test_a_hangup_is_not(machine: Machine) -> None:
    machine.start()
    os.kill(machine.keeper.pid, signal.SIGHUP)
    assert machine.ask("status")["ok"]


def test_one_who_ignores_sigterm_is_killed(machine: Machine) -> None:
    machine.start(STUBBORN, end_timeout=0.3)
    deaf = machine.note("deaf")
    assert machine.ask("stop") == {"ok": True}
    assert not lives(deaf)
    assert ended(machine)


def test_one_who_is_suspended_is_woken_to_end(machine: Machine) -> None:
    machine.start(FAMILY)
    runaway = machine.note("runaway")
    os.kill(runaway, signal.SIGSTOP)
    assert machine.ask("stop") == {"ok": True}
    assert ended(machine)


def test_the_host_stops_in_its_own_order_before_anybody_else_is_touched(machine: Machine) -> None:
    machine.start(SLOW)
    machine.note("host")
    with machine.connect() as first, machine.connect() as second:
        first.sendall(b'{"op":"stop"}\n')
        machine.note("asked")
        second.sendall(b'{"op":"stop"}\n')  # a second one waits for the same end
        status = machine.ask("status")
        assert status["host_pid"] == machine.note("host")
        refused = machine.ask("listen", listeners=[])
        assert refused["error"]["code"] == "Unavailable"
        (machine.folder / "go").touch()
        assert answer(first) == answer(second) == {"ok": True}
    assert machine.note("done") == 1
    assert ended(machine)


def test_a_host_that_does_not_stop_in_time_is_ended_with_the_rest(machine: Machine) -> None:
    machine.start(SLOW, stop_timeout=0.1, end_timeout=0.3)
    machine.note("host")
    assert machine.ask("stop") == {"ok": True}
    assert not (machine.folder / "done").exists()
    assert ended(machine)


def test_a_dead_host_is_not_started_again_to_be_stopped(machine: Machine) -> None:
    machine.start(FAMILY)
    runaway = machine.note("runaway")
    (machine.folder / "host.py").write_text(CRASH)  # what starts from now on crashes
    os.kill(machine.note("host"), signal.SIGKILL)
    until(lambda: machine.ask("status")["host_pid"] is None)
    restarts = machine.ask("status")["host_restarts"]

    assert machine.ask("stop") == {"ok": True}

    assert not lives(runaway)
    assert ended(machine)
    ends = [line for line in machine.journal() if line.get("status") == 3]
    assert len(ends) <= restarts + 1


def test_strangers_and_whoever_asked_live_on(machine: Machine) -> None:
    machine.start(FAMILY)
    runaway = machine.note("runaway")
    asker = (
        "import socket, sys, time; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
        's.sendall(b\'{"op":"stop"}\\n\'); print(s.recv(100).decode(), flush=True); time.sleep(60)'
    )
    name, _, value = machine.mark.partition("=")
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    # One who exported the fleet's mark in a shell, and asks from there.
    asking = subprocess.Popen(
        [sys.executable, "-c", asker, str(machine.runtime / "keeper.sock")],
        env={**os.environ, name: value},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert asking.stdout is not None
        assert json.loads(asking.stdout.readline()) == {"ok": True}
        assert machine.keeper.wait(PATIENCE) == 0
        assert not lives(runaway)
        assert lives(asking.pid) and lives(stranger.pid)
    finally:
        for each in (asking, stranger):
            each.kill()
            each.communicate()


def test_a_fleet_that_forks_while_it_is_ended_ends_too(machine: Machine) -> None:
    machine.start(
        """
def breed():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    note('breeder', os.getpid())
    while True:
        if os.fork() == 0: os.setsid(); time.sleep(0.2); os._exit(0)
        time.sleep(0.005)
orphan(breed)
note('host', os.getpid())
while True: time.sleep(60)
""",
        end_timeout=0.3,
    )
    machine.note("breeder")
    assert machine.ask("stop") == {"ok": True}
    assert ended(machine)
