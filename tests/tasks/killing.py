"""A fleet that works while its parts are killed: who gives it tasks, who kills, what must hold."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from sutazai.fleet.work import DEAD, Task, WorkState
from sutazai.tasks.queue.rank import rank
from tests.e2e.fleet import Fleet
from tests.e2e.test_kills import found
from tests.postgres import Postgres

AGENTS = tuple(f"doer-{number}" for number in range(6))
CONCURRENCY = 4
QUEUE = 12
GIVERS = 12
PRIORITIES = ("low", "medium", "high")
FAILS = 11
"""Each so-many-th task is one that its agent cannot do."""
WAITS = 120.0
LIST = "/tasks?limit=1000"
AUTHORED = """
import asyncio
from pathlib import Path

from sutazai.agent import Agent

EFFECTS = Path(__file__).parent / "effects"

class Doer(Agent):
    async def run(self, task):
        await asyncio.sleep(0.05)
        if task.input["fails"]:
            raise ValueError("this cannot be done")
        effect = EFFECTS / task.id
        if not effect.exists():  # as an agent that knows what it did already
            effect.write_text(task.input["key"])
        return task.input["key"]
"""


@contextmanager
def fleet_of_doers(folder: Path, database: str | None) -> Iterator[Fleet]:
    """A real fleet, as `up` starts it, on SQLite or on the Postgres at ``database``."""
    doer = {
        "class": "authored:Doer",
        "temperature": "hot",
        "capabilities": ["do"],
        "memory": "32MiB",
        "cpu": 0.05,
    }
    declared = {
        "name": "durable",
        "backends": {"none": {"url": "http://127.0.0.1:9"}},
        "tasks": {"queue": QUEUE, "concurrency": CONCURRENCY},
        "agents": dict.fromkeys(AGENTS, doer),
    }
    (folder / "effects").mkdir()
    (folder / "authored.py").write_text(AUTHORED)
    (folder / "fleet.yaml").write_text(json.dumps(declared))
    fleet = Fleet(folder / "fleet.yaml", **({"SUTAZAI_DATABASE": database} if database else {}))
    try:
        done = fleet.up()
        assert done.returncode == 0, done.stdout + done.stderr
        yield fleet
    finally:
        fleet.stop()  # fails where a process is left


@dataclass
class Giver:
    """Gives tasks until each is accepted, and looks how many there are meanwhile.

    Attributes:
        accepted: the id of each task by its key, and when it was known to be accepted.
        refused: how often the queue was full.
    """

    fleet: Fleet
    client: httpx.AsyncClient
    accepted: dict[str, tuple[str, float]] = field(default_factory=dict)
    refused: int = 0
    most_open: int = 0
    most_running: int = 0

    async def give(self, numbers: Iterator[int]) -> None:
        for number in numbers:
            key = f"key-{number:04}"
            request = {
                "capability": "do",
                "input": {"key": key, "fails": number % FAILS == 0},
                "priority": PRIORITIES[number % len(PRIORITIES)],
                "idempotency_key": key,
                "ttl": None,
            }
            while (task := await self.call("POST", "/tasks", request)) is None:
                await asyncio.sleep(0.1)
            self.accepted[key] = task["id"], time.time()

    async def look(self) -> list[Task]:
        """All tasks, as they are in one moment; none while control or its database is away."""
        tasks = [Task.model_validate(each) for each in await self.call("GET", LIST) or ()]
        states = Counter(task.state for task in tasks)
        self.most_running = max(self.most_running, states[WorkState.RUNNING])
        self.most_open = max(self.most_open, sum(task.state.is_open for task in tasks))
        return tasks

    async def until_all_ended(self, count: int) -> list[Task]:
        while True:
            tasks = await self.look()
            if len(tasks) >= count and not any(task.state.is_open for task in tasks):
                return tasks
            await asyncio.sleep(0.3)

    async def call(self, method: str, path: str, value: Any = None) -> Any:
        """The answer; None where control or its database is away, or the queue is full."""
        try:
            answer = await self.client.request(method, path, json=value)
        except httpx.HTTPError:
            return None
        if answer.status_code == 429:
            self.refused += 1
            return None
        if answer.status_code >= 500:
            return None
        assert answer.status_code == 200, answer.text
        return answer.json()


@dataclass
class Killer:
    """Kills one part after the other, and starts again what nobody else does."""

    fleet: Fleet
    server: Postgres | None
    chance: random.Random
    killed: Counter[str] = field(default_factory=Counter)
    worker: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if self.server is not None:
            command = [sys.executable, "-m", "sutazai.cli", "worker", "--state"]
            with (self.fleet.folder / "worker.log").open("ab") as log:
                self.worker = subprocess.Popen(
                    [*command, str(self.fleet.state)],
                    env=self.fleet.environment, stdout=log, stderr=log,
                )  # fmt: skip

    def stop(self) -> None:
        if self.worker is not None:
            self.worker.terminate()
            self.worker.wait(60)

    async def kill(self, kind: str) -> None:
        if kind == "database":
            assert self.server is not None
            self.server.kill()
            await asyncio.to_thread(self.server.start)
        elif kind == "worker":
            assert self.worker is not None
            self.worker.kill()
            self.worker.wait()
            self.start()
        else:
            victim = self.chance.choice(AGENTS) if kind == "instance" else kind
            os.kill(await self._process(victim), signal.SIGKILL)
        self.killed[kind] += 1

    async def _process(self, victim: str) -> int:
        """Waits until it is there again where it was killed a moment ago."""
        async with asyncio.timeout(WAITS):
            while (pid := found(self.fleet, victim)) is None:
                await asyncio.sleep(0.1)
        return pid


async def survive(
    fleet: Fleet, server: Postgres | None, *, count: int, rounds: int
) -> tuple[Giver, list[Task]]:
    """Tasks are given while every kind of part is killed ``rounds`` times, by lot."""
    seed = int(os.environ.get("SUTAZAI_SEED") or random.randrange(2**32))
    print(f"SUTAZAI_SEED={seed}")
    chance = random.Random(seed)
    kinds = ["control", "gateway", "instance"] + ["worker", "database"] * (server is not None)
    kills = chance.sample(kinds * rounds, len(kinds) * rounds)
    killer = Killer(fleet, server, chance)
    killer.start()
    headers = {"authorization": f"Bearer {fleet.token}"}
    url = f"{fleet.control}/api/v1"
    try:
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
            giver = Giver(fleet, client)
            numbers = iter(range(count))
            async with asyncio.TaskGroup() as giving:
                for _ in range(GIVERS):
                    giving.create_task(giver.give(numbers))
                for place, kind in enumerate(kills):
                    while len(giver.accepted) < count * place // len(kills):
                        await giver.look()
                        await asyncio.sleep(0.1)
                    await asyncio.sleep(chance.uniform(0.0, 0.5))
                    await killer.kill(kind)
            async with asyncio.timeout(WAITS + count):
                tasks = await giver.until_all_ended(count)
    finally:
        killer.stop()
    ends = Counter(task.state.value for task in tasks)
    print(f"killed {dict(killer.killed)}; tasks {dict(ends)}; {giver.refused} times full, ", end="")
    print(f"{giver.most_open} open and {giver.most_running} running at most")
    print(Counter(f"{task.error['code']}: {task.error['message']}" for task in tasks if task.error))
    return giver, tasks


def check(giver: Giver, tasks: Sequence[Task], effects: Path) -> None:
    """Nothing is lost, nothing is done twice, and the queue kept its order and its bounds."""
    assert {task.id for task in tasks} == {task for task, _ in giver.accepted.values()}
    assert len(tasks) == len(giver.accepted)
    done = [task for task in tasks if task.state is WorkState.DONE]
    dead = [task for task in tasks if task.state in DEAD and task.error]
    assert len(done) + len(dead) == len(tasks)
    # Whatever was killed under the others, they were done in the end.
    assert {task.id: task.error for task in dead if not task.input["fails"]} == {}
    assert not any(task.input["fails"] for task in done)
    assert all(task.output == task.input["key"] for task in done)
    had = Counter(effect.read_text() for effect in effects.iterdir())
    assert set(had.values()) == {1}  # one effect per key
    assert {task.output for task in done} <= had.keys() <= giver.accepted.keys()
    assert giver.most_running <= CONCURRENCY
    assert giver.most_open <= QUEUE
    assert giver.refused
    assert not overtaken(giver, tasks)


def overtaken(giver: Giver, tasks: Sequence[Task]) -> list[tuple[Task, Task]]:
    """Pairs of tasks of which one executor began the second, though the first was there already
    and stood before it in the queue."""
    since = dict(giver.accepted.values())
    ranks = {task.id: rank(task.priority, task.created) for task in tasks}
    return [
        (task, other)
        for task in tasks
        for other in tasks
        if ranks[task.id] < ranks[other.id]
        for first in task.attempts[:1]
        for attempt in other.attempts
        if attempt.executor == first.executor and since[task.id] < attempt.started < first.started
    ]
