"""One workplace a test: a store, the engine, both desks, and fake peers on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sutazai.fleet.work import Run, Task, WorkState
from sutazai.store import Database, Runs, Tasks, migrate
from sutazai.store.database import sqlite_url
from sutazai.tasks.artifacts import ArtifactFolder
from sutazai.tasks.calls import AgentCalls
from sutazai.tasks.desk import RunDesk
from sutazai.tasks.engine import Engine
from sutazai.tasks.progress import Progress
from sutazai.tasks.retries import NOT_THE_AGENTS, Retries
from sutazai.tasks.standard import Rule, Rules
from sutazai.tasks.task import TaskDesk
from sutazai.wire import Client
from tests.tasks.peers import FakeGateway, FakeHost

QUICK = Rules(
    plan=Rule("planner", 5.0, Retries(2, first=0.01)),
    execute=Rule("executor", 5.0, Retries(1, first=0.01)),
    review=Rule("reviewer", 5.0, Retries(2, first=0.01)),
)


@dataclass
class Workplace:
    """Everything of this room, put together as control does it."""

    folder: Path
    gateway: FakeGateway
    host: FakeHost
    client: Client = field(init=False)
    database: Database = field(init=False)
    engine: Engine = field(init=False)
    tasks: Tasks = field(init=False)
    runs: Runs = field(init=False)
    artifacts: ArtifactFolder = field(init=False)
    progress: Progress = field(init=False)
    task_desk: TaskDesk = field(init=False)
    run_desk: RunDesk = field(init=False)
    announced: list[Task | Run] = field(default_factory=list)

    def open(self) -> None:
        self.client = Client()
        self.database = Database(sqlite_url(self.folder / "store.sqlite"))
        self.engine = Engine(self.folder / "workflows.sqlite")
        self.tasks, self.runs = Tasks(self.database), Runs(self.database)
        self.artifacts = ArtifactFolder(self.folder / "artifacts")
        self.progress = Progress()
        calls = AgentCalls(self.client, self.folder / "g.sock", self.folder / "h.sock", grace=0.0)
        quick = Retries(4, first=0.05, only=NOT_THE_AGENTS)
        self.task_desk = TaskDesk(
            self.tasks, self.engine, calls, self._announce, retries=quick, open_max=20
        )
        self.run_desk = RunDesk(
            self.runs,
            self.engine,
            calls,
            self.artifacts,
            self.progress,
            self._announce,
            rules=QUICK,
            open_max=5,
        )

    async def launch(self) -> None:
        self.engine.launch()
        await self.task_desk.recover()
        await self.run_desk.recover()

    async def close(self) -> None:
        await self.engine.close()
        await self.client.close()
        self.database.close()

    async def restart(self) -> None:
        """As when control is stopped and started again."""
        await self.close()
        self.open()
        await self.launch()

    async def ended_task(self, task_id: str) -> Task:
        async with asyncio.timeout(10):
            while True:
                task = await self.task_desk.get(task_id)
                if task.ended is not None:
                    return task
                await asyncio.sleep(0.01)

    async def run_when(self, run_id: str, condition: Callable[[Run], bool]) -> Run:
        async with asyncio.timeout(15):
            while True:
                run = await self.run_desk.get(run_id)
                if condition(run):
                    return run
                await asyncio.sleep(0.01)

    async def ended_run(self, run_id: str) -> Run:
        return await self.run_when(
            run_id, lambda run: run.state not in (WorkState.PENDING, WorkState.RUNNING)
        )

    async def _announce(self, what: Task | Run) -> None:
        self.announced.append(what)


@pytest.fixture
async def workplace(tmp_path: Path) -> AsyncIterator[Workplace]:
    migrate(sqlite_url(tmp_path / "store.sqlite"))
    gateway, host = FakeGateway(), FakeHost()
    await gateway.listen(tmp_path / "g.sock")
    await host.listen(tmp_path / "h.sock")
    workplace = Workplace(tmp_path, gateway, host)
    workplace.open()
    await workplace.launch()
    yield workplace
    await workplace.close()
    await gateway.close()
    await host.close()
