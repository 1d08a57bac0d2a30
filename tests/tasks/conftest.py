"""One workplace a test: a store, the engine, both desks, and fake peers on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sutazai.fleet.queueing import TaskQueue
from sutazai.fleet.spec import Agent, Fleet
from sutazai.fleet.work import Run, Task, WorkState
from sutazai.store import Database, Runs, Tasks, migrate
from sutazai.store.database import sqlite_url
from sutazai.tasks.artifacts import ArtifactFolder
from sutazai.tasks.calls import AgentCalls
from sutazai.tasks.desk import RunDesk
from sutazai.tasks.engine import Engine
from sutazai.tasks.office import Hearing, Office, Pace, Place
from sutazai.tasks.progress import Progress
from sutazai.tasks.queue.failing import Patience
from sutazai.tasks.retries import Retries
from sutazai.tasks.standard import Rule, Rules
from sutazai.tasks.task import TaskDesk
from sutazai.wire import Address, Client
from tests.tasks.peers import FakeGateway, FakeHost

QUICK = Rules(
    plan=Rule("planner", 30.0, Retries(2, first=0.01)),
    execute=Rule("executor", 30.0, Retries(1, first=0.01)),
    review=Rule("reviewer", 30.0, Retries(2, first=0.01)),
)


PATIENCE = Patience(Retries(4, first=0.05), Retries(2, first=0.01))
PACE = Pace(QUICK, PATIENCE, open_runs=5)


def small_fleet(**tasks: Any) -> Fleet:
    """Agents that do what the test says; two of them can translate."""
    translates = {"capabilities": ("translate",), "group": "language"}
    agents = {name: Agent() for name in ("helper", "planner", "executor", "reviewer")}
    agents |= {name: Agent(concurrency=1, **translates) for name in ("anna", "bert")}
    return Fleet(name="small", agents=agents, tasks=TaskQueue(**{"queue": 20, **tasks}))


@dataclass
class Workplace:
    """Everything of this room, put together as control does it."""

    folder: Path
    gateway: FakeGateway
    host: FakeHost
    url: str
    fleet: Fleet = field(default_factory=small_fleet)
    pace: Pace = field(default=PACE)
    client: Client = field(init=False)
    office: Office = field(init=False)
    announced: list[Task | Run] = field(default_factory=list)
    _working: asyncio.Task[None] = field(init=False)

    @property
    def tasks(self) -> Tasks:
        return self.office.tasks

    @property
    def runs(self) -> Runs:
        return self.office.runs

    @property
    def engine(self) -> Engine:
        return self.office.engine

    @property
    def artifacts(self) -> ArtifactFolder:
        return self.office.artifacts

    @property
    def progress(self) -> Progress:
        return self.office.progress

    @property
    def task_desk(self) -> TaskDesk:
        return self.office.task_desk

    @property
    def run_desk(self) -> RunDesk:
        return self.office.run_desk

    def open(self) -> None:
        self.client = Client()
        database = Database(self.url)
        workflows = sqlite_url(self.folder / "workflows.sqlite")
        sockets = (Address.parse(f"unix:{self.folder / name}") for name in ("g.sock", "h.sock"))
        self.office = Office(
            "control",
            self.fleet,
            Place(
                database,
                self.url if database.is_shared else workflows,
                self.folder / "artifacts",
            ),
            AgentCalls(self.client, *sockets, grace=0.0),
            Hearing(self._task_died, self._run_ended),
            pace=self.pace,
        )

    async def launch(self) -> None:
        await self.office.open()
        await self.run_desk.recover()
        self._working = asyncio.create_task(self.office.run(), name="office")

    async def close(self) -> None:
        self._working.cancel()
        await asyncio.gather(self._working, return_exceptions=True)
        await self.office.close()
        await self.client.close()
        self.office.database.close()

    async def restart(self) -> None:
        """As when control is stopped and started again."""
        await self.close()
        self.open()
        await self.launch()

    async def ended_task(self, task_id: str) -> Task:
        async with asyncio.timeout(60):
            while True:
                task = await self.task_desk.get(task_id)
                if task.ended is not None:
                    return task
                await asyncio.sleep(0.01)

    async def run_when(self, run_id: str, condition: Callable[[Run], bool]) -> Run:
        async with asyncio.timeout(60):
            while True:
                run = await self.run_desk.get(run_id)
                if condition(run):
                    return run
                await asyncio.sleep(0.01)

    async def ended_run(self, run_id: str) -> Run:
        return await self.run_when(
            run_id, lambda run: run.state not in (WorkState.PENDING, WorkState.RUNNING)
        )

    async def until_announced(self, *ended: Task | Run) -> None:
        """Waits until these and no others were announced, a moment after their ends can be read."""
        async with asyncio.timeout(60):
            while len(self.announced) < len(ended):
                await asyncio.sleep(0.01)
        assert self.announced == [*ended]

    async def _task_died(self, task: Task) -> None:
        self.announced.append(task)

    async def _run_ended(self, run: Run) -> None:
        self.announced.append(run)


@asynccontextmanager
async def working(
    folder: Path, url: str, fleet: Fleet, *, pace: Pace = PACE
) -> AsyncIterator[Workplace]:
    """A workplace on a database of its own."""
    migrate(url)
    gateway, host = FakeGateway(), FakeHost()
    await gateway.listen(folder / "g.sock")
    await host.listen(folder / "h.sock")
    workplace = Workplace(folder, gateway, host, url, fleet, pace)
    workplace.open()
    await workplace.launch()
    try:
        yield workplace
    finally:
        await workplace.close()
        await gateway.close()
        await host.close()


@pytest.fixture
async def workplace(tmp_path: Path) -> AsyncIterator[Workplace]:
    async with working(tmp_path, sqlite_url(tmp_path / "store.sqlite"), small_fleet()) as place:
        yield place
