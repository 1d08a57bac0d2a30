"""Parts of a fleet are killed in pairs, in every order, and by lot, while it works.

Each time: what was accepted ends in an answer or an error, nothing is restarted that was not
killed, and of every part there is one again, and no more.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.asking import Caller, ask_control, status_of
from tests.e2e.fleet import Fleet, eventually

PARTS = ("host", "control", "gateway", "zygote", "llm")
SHORT = {("host", "gateway"), ("gateway", "control"), ("zygote", "host"), ("llm", "host")}
"""What is done in every run of the tests; the other orders belong to the soak."""
PAIRS = [
    pytest.param(*pair, marks=() if pair in SHORT else pytest.mark.soak)
    for pair in permutations(PARTS, 2)
]
SPARE = "spare"
"""An agent that is restarted so that there is a zygote: a new host has none until it needs one."""
ENDED = ("done", "failed", "cancelled")
SOAK = 120.0
AUTHORED = """
from sutazai.agent import Agent

class Echo(Agent):
    async def run(self, task):
        return task.input

class Asker(Agent):
    async def run(self, task):
        question = {"role": "user", "content": "Say one word."}
        return (await self.llm.chat([question], max_tokens=8)).text
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A few agents, and the embedded model."""
    echo = {"class": "authored:Echo", "temperature": "hot"}
    agents = {f"echo-{number}": echo for number in range(3)}
    others = {"asker": {**echo, "class": "authored:Asker"}, SPARE: echo}
    yield from up(tmp_path_factory.mktemp("kills"), {**agents, **others})


@pytest.fixture
def large_fleet(tmp_path: Path) -> Iterator[Fleet]:
    """150 small agents."""
    echo = {"class": "authored:Echo", "temperature": "hot", "memory": "24MiB", "cpu": 0.01}
    agents = {f"echo-{number}": echo for number in range(150)}
    yield from up(tmp_path, agents)


def up(folder: Path, agents: dict[str, Any]) -> Iterator[Fleet]:
    (folder / "authored.py").write_text(AUTHORED)
    (folder / "fleet.yaml").write_text(json.dumps({"name": "kills", "agents": agents}))
    fleet = Fleet(folder / "fleet.yaml")
    try:
        done = fleet.up()
        assert done.returncode == 0, done.stdout + done.stderr
        yield fleet
    finally:
        fleet.stop()  # fails where a process is left


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_two_are_killed_one_after_the_other(fleet: Fleet, first: str, second: str) -> None:
    eventually(lambda: is_whole(fleet) and has_zygote(fleet), 90, "all parts are there")
    echoes = [name for name in agents(fleet) if name.startswith("echo")]
    before, parts, caller = agents(fleet), pids(fleet), Caller(fleet)
    tasks = [submit(fleet, name, "said") for name in (*echoes, "asker")]

    with caller.asking(echoes) as ledger:
        for part in (first, second):
            os.kill(parts[part], signal.SIGKILL)
        eventually(lambda: is_whole(fleet, instead_of=parts, killed=(first, second)), 90)
        sent = len(ledger.sent)
        eventually(lambda: len(ledger.sent) > sent + 5, 60, "calls go on")

    assert not ledger.open and ledger.answered
    ends = {task: ended(fleet, task) for task in tasks}
    assert all(end["state"] == "done" or end["error"] for end in ends.values()), ends
    after = pids(fleet)
    gone = {first, second, *(("zygote",) if "host" in (first, second) else ())}
    assert {part: after[part] for part in PARTS if part not in gone} == {
        part: parts[part] for part in PARTS if part not in gone
    }
    assert agents(fleet) == before
    assert all(caller.ask(name, "again").json()["output"] == "again" for name in echoes)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_kills_by_lot_among_150_agents_lose_nothing(large_fleet: Fleet) -> None:
    seed = int(os.environ.get("SUTAZAI_SEED") or random.randrange(2**32))
    print(f"SUTAZAI_SEED={seed}")
    lot, fleet = random.Random(seed), large_fleet
    names = [*agents(fleet)]
    caller, tasks, killed = Caller(fleet), list[str](), Counter[str]()
    with caller.asking(names, at_once=4) as ledger:
        over = time.monotonic() + SOAK
        while time.monotonic() < over:
            victim = lot.choice([*PARTS, *lot.sample(names, 10)])
            if pid := found(fleet, victim):
                os.kill(pid, signal.SIGKILL)
                killed[victim] += 1
            tasks.append(submit(fleet, lot.choice(names), "said"))
            time.sleep(lot.uniform(0.0, 1.0))
        eventually(lambda: is_whole(fleet), 120, "all parts are there again")
    ends = Counter(ended(fleet, task)["state"] for task in tasks)
    print(f"killed {killed.total()} ({len(killed)} parts), {len(ledger.sent)} calls sent, ", end="")
    print(f"{len(ledger.answered)} answered, {len(ledger.failed)} told of an error, tasks {ends}")
    assert not ledger.open
    assert ends.total() == len(tasks)
    eventually(lambda: set(agents(fleet)) == set(names), 120, "all agents run again")


def agents(fleet: Fleet) -> dict[str, int]:
    """The processes of agents that run."""
    return {
        one["name"]: one["instances"][0]["pid"]
        for one in status_of(fleet)["agents"]
        if one["state"] == "healthy"
    }


def pids(fleet: Fleet) -> dict[str, int]:
    """The one process of every part; fails where there is none or more than one. Only a zygote
    may be missing."""
    owners: dict[str, list[int]] = {part: [] for part in PARTS}
    for pid in fleet.processes():
        part = part_of(pid)
        if part is not None:
            owners[part].append(pid)
    assert all(len(each) == 1 or (part == "zygote" and not each) for part, each in owners.items())
    return {part: each[0] for part, each in owners.items() if each}


def has_zygote(fleet: Fleet) -> bool:
    if "zygote" not in pids(fleet):
        fleet.cli("agents", "restart", SPARE)  # refused while a new host does not listen yet
    return is_whole(fleet) and "zygote" in pids(fleet)


def found(fleet: Fleet, victim: str) -> int | None:
    """The process of a part or an agent, where there is one now."""
    if victim in PARTS:
        return next((pid for pid in fleet.processes() if part_of(pid) == victim), None)
    for pid in fleet.processes():
        if comm(pid).startswith(f"{victim}-"):
            return pid
    return None


def part_of(pid: int) -> str | None:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return None
    if "sutazai.agent.zygote" in words:
        return "zygote" if comm(pid) == "zygote" and is_host(parent_of(pid)) else None
    return next((part for part in PARTS if f"sutazai.{part}" in words), None)


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def is_host(pid: int) -> bool:
    return pid != 0 and part_of(pid) == "host"


def comm(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def is_whole(
    fleet: Fleet, *, instead_of: dict[str, int] | None = None, killed: tuple[str, ...] = ()
) -> bool:
    """Whether there is one healthy process of every part, and another one of those killed."""
    try:
        now = pids(fleet)
    except AssertionError:
        return False
    if (status := ask_control(fleet, "GET", "/status")) is None:
        return False
    units = (*status["agents"], *status["planes"])
    well = all(unit["state"] == "healthy" for unit in units)
    return well and all(now.get(part) != (instead_of or {})[part] for part in killed)


def submit(fleet: Fleet, agent: str, text: str) -> str:
    """The id of a durable task, as soon as control has accepted it."""
    request = {"agent": agent, "input": text, "deadline": 90.0}
    answer = eventually(
        lambda: ask_control(fleet, "POST", "/tasks", request), 60, "control accepts it"
    )
    return str(answer["id"])


def ended(fleet: Fleet, task: str) -> dict[str, Any]:
    """A task once it has ended."""

    def look() -> dict[str, Any] | None:
        told = ask_control(fleet, "GET", f"/tasks/{task}")
        return told if told and told["state"] in ENDED else None

    value: dict[str, Any] = eventually(look, 120, f"task {task} ends")
    return value
