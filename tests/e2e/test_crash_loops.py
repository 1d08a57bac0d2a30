"""Agents that crash again and again, in every way there is, beside some that do not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sutazai.host.limits.place import read_place
from tests.e2e.asking import Caller, ask_control, status_of
from tests.e2e.faults import Model
from tests.e2e.fleet import Fleet, eventually, running

MIB = 1024**2
GOOD = [f"good-{number}" for number in range(5)]
AUTHORED = """
from sutazai.agent import Agent

class Echo(Agent):
    async def run(self, task):
        return task.input

class Hog(Agent):
    async def start(self):
        self.hoard = bytearray(512 * 1024 * 1024)
"""
WAYS: dict[str, dict[str, Any]] = {
    "at-once": {"runtime": "command", "command": ["sh", "-c", "echo at once; exit 9"]},
    "later": {"runtime": "command", "command": ["sh", "-c", "sleep 1; echo later; exit 8"]},
    "import": {"class": "no_such_module:Agent"},
    "hog": {"class": "authored:Hog"},
}
REASONS = {
    "at-once": "exited with status 9",
    "later": "exited with status 8",
    "import": "exited with status 1",
    "hog": "out of memory: peak 32MiB of 32MiB",
}
LAST_LINES = {"at-once": "at once", "later": "later", "import": "no module no_such_module"}
MANY = pytest.param(10, marks=pytest.mark.soak)
SMALL = {"memory": "32MiB", "cpu": 0.01, "temperature": "hot"}


@pytest.fixture(params=[3, MANY])
def bad(request: pytest.FixtureRequest) -> dict[str, str]:
    """The agents that crash, and how: so many of each way."""
    return {f"{way}-{number}": way for way in WAYS for number in range(request.param)}


@pytest.fixture
def fleet(tmp_path: Path, steady_model: Model, bad: dict[str, str]) -> Iterator[Fleet]:
    """The good ones run, the others wait to be started."""
    (tmp_path / "authored.py").write_text(AUTHORED)
    agents = {name: {**SMALL, "class": "authored:Echo"} for name in GOOD}
    crashing = {name: {**SMALL, **WAYS[way], "temperature": "warm"} for name, way in bad.items()}
    backends = {"fake": {"url": steady_model.url}}
    declared = {"name": "loops", "backends": backends, "agents": {**agents, **crashing}}
    (tmp_path / "fleet.yaml").write_text(json.dumps(declared))
    with running(tmp_path / "fleet.yaml") as fleet:
        yield fleet


def agents(fleet: Fleet) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in status_of(fleet)["agents"]}


def pids(fleet: Fleet) -> list[int]:
    told = agents(fleet)
    return [told[name]["instances"][0]["pid"] for name in GOOD]


@pytest.mark.timeout(300)
def test_the_good_ones_answer_throughout_and_each_end_is_told(
    fleet: Fleet, bad: dict[str, str]
) -> None:
    if (status := status_of(fleet))["limits"] == "accounting":
        pytest.skip(f"no limits are held here: {status['limits_why']}")
    before, caller = pids(fleet), Caller(fleet)
    with caller.asking(GOOD) as ledger:
        for name in bad:
            change(fleet, name, "start")
        eventually(lambda: all(agents(fleet)[name]["restarts"] > 2 for name in bad), 180, "loops")
        told = agents(fleet)

    assert not ledger.failed and not ledger.open
    assert set(ledger.answers) == set(GOOD)
    assert pids(fleet) == before
    assert {name: told[name]["last_exit"]["reason"] for name in bad} == {
        name: REASONS[way] for name, way in bad.items()
    }
    for name, way in bad.items():
        assert LAST_LINES.get(way, "") in "\n".join(told[name]["last_exit"]["lines"])
    for name in bad:
        change(fleet, name, "stop")
    eventually(lambda: not leavings(fleet), 60, "nothing is left of those that ended")


def change(fleet: Fleet, name: str, verb: str) -> None:
    assert ask_control(fleet, "POST", f"/agents/{name}/{verb}")


def leavings(fleet: Fleet) -> list[str]:
    """Records and groups of those that crashed."""
    runtime = next(fleet.folder.glob("sutazai/*"))
    place = read_place(runtime / "groups.json")
    assert place is not None
    kept = [*runtime.glob("instances/*"), *place.parents["memory"].iterdir()]
    return [path.name for path in kept if path.name.startswith(tuple(WAYS))]
