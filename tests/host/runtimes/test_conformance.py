"""What every runtime keeps, told of an agent that does the same in each."""

from __future__ import annotations

import json
import os
import signal
import socket
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sutazai.fleet.places import Places
from tests.e2e.asking import Caller, agent_of, status_of
from tests.e2e.fleet import Fleet, eventually, is_zombie
from tests.host.runtimes.conftest import OWNED, here
from tests.host.runtimes.subjects import CRASHED, GOODBYE, LIMIT, SUBJECTS

pytestmark = pytest.mark.timeout(300)  # the first waits for a fleet, the last for its end
LOST = ("InstanceLost", "Unavailable")
"""What a caller is told whose agent ended: the latter where no other instance was ready either."""


def pid_of(agent: dict[str, Any]) -> int:
    return int(agent["instances"][0]["pid"])


def own_id(pid: int) -> int:
    """What a process that we call ``pid`` is called where it lives."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[-1]) for line in lines if line.startswith("NSpid:"))


def well(fleet: Fleet, name: str) -> dict[str, Any]:
    """The agent as soon as it is well."""
    state = "healthy" if SUBJECTS[name].owned else "external"

    def look() -> dict[str, Any] | None:
        agent = agent_of(fleet, name)
        return agent if agent["state"] == state else None

    agent: dict[str, Any] = eventually(look, 60, f"{name} is {state}")
    return agent


def another(fleet: Fleet, name: str, old: int) -> None:
    """Waits for an instance that is not the ``old`` one to be well."""
    eventually(lambda: pid_of(well(fleet, name)) != old, 60, f"another instance of {name} runs")


def log(fleet: Fleet, name: str) -> str:
    path = fleet.state / "logs" / f"{name}.log"
    return path.read_text() if path.exists() else ""


def test_it_answers_at_its_front_door(fleet: Fleet, name: str) -> None:
    agent, caller = well(fleet, name), Caller(fleet)
    assert caller.health(name).json()["status"] == "healthy"
    answer = caller.ask(name, "pid")
    assert answer.status_code == 200
    if SUBJECTS[name].owned:
        assert answer.json()["output"] == own_id(pid_of(agent))


def test_what_it_prints_is_in_its_log(fleet: Fleet, owned: str) -> None:
    instance = well(fleet, owned)["instances"][0]["instance"]
    assert Caller(fleet).ask(owned, "say tea is ready").status_code == 200
    eventually(lambda: f"{instance} | tea is ready\n" in log(fleet, owned), 60, "the line is there")


def test_what_it_takes_is_told_and_bounded(fleet: Fleet, owned: str) -> None:
    well(fleet, owned)
    status = status_of(fleet)
    if status["limits"] == "accounting":
        pytest.skip(f"no limits are held here: {status['limits_why']}")
    instance = agent_of(fleet, owned)["instances"][0]
    assert instance["limit"] == LIMIT
    assert 0 < instance["memory"] <= instance["peak"] <= LIMIT
    assert instance["cpu"] > 0


def test_a_crash_is_told_and_mended(fleet: Fleet, owned: str) -> None:
    old = pid_of(well(fleet, owned))

    lost = Caller(fleet).ask(owned, "crash")

    assert lost.json()["error"]["code"] in LOST
    another(fleet, owned, old)
    exit_ = agent_of(fleet, owned)["last_exit"]
    assert (exit_["status"], exit_["reason"]) == (CRASHED, f"exited with status {CRASHED}")


@pytest.mark.parametrize("owned", here(OWNED, soak=OWNED[1:]), indirect=True)
def test_each_crash_in_a_row_is_mended_later(fleet: Fleet, owned: str) -> None:
    fleet.must("agents", "restart", owned)
    caller, since = Caller(fleet), last_event(fleet)
    for _ in range(3):
        old = pid_of(well(fleet, owned))
        caller.ask(owned, "crash")
        another(fleet, owned, old)
    told = [event for event in events(fleet) if event["sequence"] > since]
    ends = [event["at"] for event in told if event["unit"] == owned and event["kind"] == "ended"]
    starts = [
        event["at"] for event in told if event["unit"] == owned and event["kind"] == "started"
    ]
    waits = [start - end for end, start in zip(ends, starts[-len(ends) :], strict=True)]
    # What is promised at least: at once, then 0.5 and 1 s, a fifth more or less.
    assert all(wait >= least for wait, least in zip(waits, (0.0, 0.4, 0.8), strict=True)), waits


def test_a_new_host_adopts_it(fleet: Fleet, owned: str) -> None:
    before, host = well(fleet, owned), host_of(fleet)
    os.kill(host, signal.SIGKILL)
    eventually(lambda: host_of(fleet) not in (0, host) and host_answers(fleet), 60, "a new host")
    after = well(fleet, owned)
    assert after["instances"][0]["pid"] == pid_of(before)
    assert after["restarts"] <= before["restarts"]
    assert Caller(fleet).ask(owned, "pid").json()["output"] == own_id(pid_of(before))


def test_stop_asks_it_to_end_and_start_brings_it_back(fleet: Fleet, owned: str) -> None:
    old, restarts = pid_of(well(fleet, owned)), agent_of(fleet, owned)["restarts"]
    fleet.must("agents", "stop", owned)
    eventually(lambda: agent_of(fleet, owned)["state"] == "stopped", 60, "it has ended")
    eventually(lambda: log(fleet, owned).rstrip().endswith(f"| {GOODBYE}"), what="its last words")
    assert is_zombie(old)
    assert Caller(fleet).ask(owned, "pid").status_code == 503

    fleet.must("agents", "start", owned)
    agent = well(fleet, owned)
    assert pid_of(agent) != old
    assert agent["restarts"] <= restarts


def events(fleet: Fleet) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (fleet.state / "events.jsonl").read_text().splitlines()]


def last_event(fleet: Fleet) -> int:
    told = events(fleet)
    assert all(one["sequence"] < next_["sequence"] for one, next_ in pairwise(told))
    return int(told[-1]["sequence"])


def host_answers(fleet: Fleet) -> bool:
    places = Places(fleet.state, next(fleet.folder.glob("sutazai/*")))
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(places.host_socket)) == 0


def host_of(fleet: Fleet) -> int:
    for pid in fleet.processes():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"sutazai.host" in words:
            return pid
    return 0
