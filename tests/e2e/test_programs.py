"""Programs of others under `command`: Node, a compiled one in Go, Python with its own packages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.asking import Caller, agent_of, ask_control, status_of
from tests.e2e.faults import Model
from tests.e2e.fleet import Fleet, eventually, running

PROGRAMS = Path(__file__).with_name("programs")
SAID = "Hello, wörld 🌍"
"""What the fake model answers, whatever it is asked."""
LIMIT = 256 * 1024**2

pytestmark = pytest.mark.timeout(300)  # a first build in Go takes its time


@dataclass(frozen=True)
class Program:
    """A program and what it needs; ``make`` gives the command that starts it."""

    needs: str
    make: Callable[[Path], list[str]]
    runs_in: str
    """Part of what it says of the surroundings that it runs in."""


def node(folder: Path) -> list[str]:
    return ["node", str(PROGRAMS / "agent.js")]


def compiled(folder: Path) -> list[str]:
    build = ["go", "build", "-o", str(folder / "agent"), str(PROGRAMS / "agent.go")]
    subprocess.run(build, check=True, env={**os.environ, "CGO_ENABLED": "0"})
    return [str(folder / "agent")]


def legacy(folder: Path) -> list[str]:
    venv.create(folder / "own")
    return [str(folder / "own/bin/python"), str(PROGRAMS / "legacy_agent.py")]


KNOWN = {
    "node-agent": Program("node", node, "v"),
    "go-agent": Program("go", compiled, "go1."),
    "legacy-agent": Program(sys.executable, legacy, "/own"),
}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, steady_model: Model) -> Iterator[Fleet]:
    """All programs whose language is on this machine."""
    folder = tmp_path_factory.mktemp("programs")
    agents = {
        name: {
            "runtime": "command",
            "command": program.make(folder),
            "temperature": "hot",
            "memory": "lightweight",
            "health": {"path": "/health", "interval": "1s"},
        }
        for name, program in KNOWN.items()
        if shutil.which(program.needs)
    }
    backends = {"fake": {"url": steady_model.url}}
    declared = {"name": "programs", "backends": backends, "agents": agents}
    (folder / "fleet.yaml").write_text(json.dumps(declared))
    with running(folder / "fleet.yaml") as fleet:
        yield fleet


@pytest.fixture(params=KNOWN)
def name(request: pytest.FixtureRequest, fleet: Fleet) -> str:
    name: str = request.param
    if shutil.which(needs := KNOWN[name].needs) is None:
        assert "CI" not in os.environ, f"{needs} belongs on the machine that checks everything"
        pytest.skip(f"{needs} is not installed")
    return name


def pid_of(agent: dict[str, Any]) -> int:
    return int(agent["instances"][0]["pid"])


def healthy(fleet: Fleet, name: str) -> dict[str, Any] | None:
    agent = agent_of(fleet, name)
    return agent if agent["state"] == "healthy" else None


def log(fleet: Fleet, name: str) -> str:
    return (fleet.state / "logs" / f"{name}.log").read_text()


def test_it_answers_at_its_front_door_with_the_fleets_model(fleet: Fleet, name: str) -> None:
    caller = Caller(fleet)
    assert caller.health(name).json() == {"status": "healthy"}

    output = caller.ask(name, "Say hello.").json()["output"]

    assert output["text"] == SAID
    assert KNOWN[name].runs_in in output["in"]
    assert output["pid"] == pid_of(agent_of(fleet, name))
    assert "| listening" in log(fleet, name)


def test_what_it_asks_of_the_model_is_told_as_its_own(fleet: Fleet, name: str) -> None:
    Caller(fleet).ask(name, "Say hello.")

    def its_calls() -> list[dict[str, Any]]:
        page = json.loads(fleet.must("agents", "show", name, "--json"))
        return [call for call in page["calls"] if call["caller"] == name]

    assert eventually(its_calls, 60, "the call is recorded")[0]["outcome"] == "done"


def test_it_is_held_to_its_limit(fleet: Fleet, name: str) -> None:
    status = status_of(fleet)
    if status["limits"] == "accounting":
        pytest.skip(f"no limits are held here: {status['limits_why']}")
    instance = agent_of(fleet, name)["instances"][0]
    assert instance["limit"] == LIMIT
    assert 0 < instance["memory"] <= instance["peak"] <= LIMIT
    assert instance["cpu"] > 0


def test_it_is_started_again_after_a_crash(fleet: Fleet, name: str) -> None:
    caller, old = Caller(fleet), pid_of(agent_of(fleet, name))

    lost = caller.ask(name, "crash")

    assert lost.json()["error"]["code"] in ("InstanceLost", "Unavailable")
    agent = eventually(
        lambda: (now := healthy(fleet, name)) and pid_of(now) != old and now, 60, "it is back"
    )
    assert agent["last_exit"]["reason"] == "exited with status 7"
    assert caller.ask(name, "Say hello.").json()["output"]["text"] == SAID


def test_it_is_asked_to_end_and_stays_down(fleet: Fleet, name: str) -> None:
    restarts = agent_of(fleet, name)["restarts"]
    assert ask_control(fleet, "POST", f"/agents/{name}/stop")
    eventually(lambda: agent_of(fleet, name)["state"] == "stopped", 60, "it has ended")
    eventually(lambda: log(fleet, name).rstrip().endswith("| asked to end"), what="its last words")
    assert Caller(fleet).ask(name, "Say hello.").status_code == 503
    assert ask_control(fleet, "POST", f"/agents/{name}/start")
    agent = eventually(lambda: healthy(fleet, name), 60, "it runs again")
    assert agent["restarts"] <= restarts
