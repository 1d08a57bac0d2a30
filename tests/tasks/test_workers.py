"""Several workers on one Postgres share the queue; what one leaves behind the others finish."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from sutazai.fleet.errors import Unavailable
from sutazai.fleet.queueing import TaskQueue
from sutazai.fleet.spec import Agent, Fleet
from sutazai.fleet.work import TaskRequest, WorkState
from sutazai.store import Database, Revisions, Wanted, migrate
from sutazai.store.database import database_url
from sutazai.store.models import ExecutorRow
from sutazai.store.task_rows import NewTask
from sutazai.store.turns import Claiming
from sutazai.tasks.queue.admission import Admission
from tests.postgres import Postgres, pgbouncer, postgres
from tests.store.queueing import Anybody, Queue
from tests.tasks.peers import Body, FakeGateway

CONCURRENCY = 8

pytestmark = pytest.mark.timeout(300)  # workers and a server of Postgres start and end


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as server:
        yield server


@dataclass
class Ledger:
    """What an agent did: asked for a task again, it does not do it again."""

    asked: Counter[str] = field(default_factory=Counter)
    effects: Counter[str] = field(default_factory=Counter)
    at_once: int = 0
    most_at_once: int = 0

    async def work(self, body: Body) -> Any:
        task = body["task"]
        self.asked[task] += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0.2)  # long enough for each to notice the other
        finally:
            self.at_once -= 1
        if not self.effects[task]:
            self.effects[task] += 1
        return {"number": body["input"]}


@asynccontextmanager
async def worker(url: str, gateway: Path, state: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    words = ["worker", "--database", url, "--gateway", f"unix:{gateway}", "--state", str(state)]
    with (state.parent / f"{state.name}.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sutazai.cli", *words, stdout=log, stderr=log, env={**os.environ}
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 60)
            finally:
                if process.returncode is None:
                    process.kill()


@asynccontextmanager
async def queue_on(url: str) -> AsyncIterator[Queue]:
    """A queue for a fleet of one agent, as control has left it."""
    migrate(url)
    database = Database(url)
    fleet = Fleet(
        name="small",
        agents={"helper": Agent(concurrency=1000)},
        tasks=TaskQueue(concurrency=CONCURRENCY),
    )
    await Revisions(database).record(fleet, author="ann", at=1.0, reason="test")
    try:
        yield Queue(database, Admission(10_000))
    finally:
        database.close()


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[FakeGateway]:
    gateway = FakeGateway()
    await gateway.listen(tmp_path / "g.sock")
    yield gateway
    await gateway.close()


async def give(queue: Queue, count: int) -> list[str]:
    """Tasks for the one agent; their ids."""
    request = TaskRequest(agent="helper", input=0, ttl=None)
    tasks = [
        NewTask(f"task-{n:05}", request.model_copy(update={"input": n}), float(n), 1.0, 1.0)
        for n in range(count)
    ]
    await queue.intake.take(tasks)
    return [task.id for task in tasks]


async def until_done(queue: Queue, count: int, seconds: float) -> int:
    """Waits until so many are done; how many are."""
    async with asyncio.timeout(seconds):
        while True:
            with contextlib.suppress(Unavailable):
                done = await queue.tasks.find(Wanted((WorkState.DONE,)), limit=10_000)
                if len(done) >= count:
                    return len(done)
            await asyncio.sleep(0.1)


async def until_there(queue: Queue, count: int) -> None:
    """Waits until so many executors live."""
    query = select(func.count()).select_from(ExecutorRow)
    async with asyncio.timeout(60):
        while await queue.database.read(lambda session: session.scalar(query)) != count:
            await asyncio.sleep(0.1)


async def until_shared(queue: Queue, count: int) -> None:
    """Waits until so many are done, and by more than one executor."""
    async with asyncio.timeout(120):
        while True:
            done = await queue.tasks.find(Wanted((WorkState.DONE,)), limit=10_000)
            executors = {attempt.executor for task in done for attempt in task.attempts}
            if len(done) >= count and len(executors) > 1:
                return
            await asyncio.sleep(0.1)


async def share(server: Postgres, folder: Path, gateway: FakeGateway, count: int) -> None:
    """Two workers, of which one is killed in the middle."""
    ledger = Ledger()
    gateway.agents["helper"] = ledger.work
    url = database_url(server.create(f"shared_{count}"))
    async with queue_on(url) as queue:
        doomed = worker(url, folder / "g.sock", folder / "one")
        async with doomed as process, worker(url, folder / "g.sock", folder / "two"):
            await until_there(queue, 2)
            ids = await give(queue, count)
            await until_shared(queue, count // 4)
            process.kill()
            await process.wait()
            await until_done(queue, count, 60 + count / 10)
        tasks = await queue.tasks.find(Wanted(), limit=count)
    assert {task.state for task in tasks} == {WorkState.DONE}
    assert sorted(task.id for task in tasks) == ids
    assert ledger.effects == Counter(ids)
    assert all(task.output == {"number": int(task.id[-5:])} for task in tasks)
    assert ledger.most_at_once <= 2 * CONCURRENCY  # those of the dead one had not left yet
    executors = {attempt.executor for task in tasks for attempt in task.attempts}
    assert len(executors) == 2
    assert sum(ledger.asked.values()) - count <= CONCURRENCY


async def test_two_workers_share_tasks_and_one_is_killed(
    server: Postgres, tmp_path: Path, gateway: FakeGateway
) -> None:
    await share(server, tmp_path, gateway, 200)


@pytest.mark.soak
async def test_two_workers_share_2000_tasks_and_one_is_killed(
    server: Postgres, tmp_path: Path, gateway: FakeGateway
) -> None:
    await share(server, tmp_path, gateway, 2_000)


async def test_what_was_claimed_after_a_takeover_is_done_by_another(
    server: Postgres, tmp_path: Path, gateway: FakeGateway
) -> None:
    """As by an executor that was taken for dead, had not heard of it yet, and then died."""
    ledger = Ledger()
    gateway.agents["helper"] = ledger.work
    url = database_url(server.create("late"))
    async with queue_on(url) as queue:
        ids = await give(queue, 3)
        await queue.turns.turn((), Claiming("gone-abc", Anybody(helper=3), 3, 8), time.time())
        async with worker(url, tmp_path / "g.sock", tmp_path / "one"):
            await until_done(queue, 3, 60)
    assert ledger.effects == Counter(ids)


async def test_a_worker_behind_a_pooler_in_transaction_mode(
    server: Postgres, tmp_path: Path, gateway: FakeGateway
) -> None:
    ledger = Ledger()
    gateway.agents["helper"] = ledger.work
    name = server.create("pooled").rpartition("/")[2]
    with pgbouncer(server) as port:
        url = database_url(f"postgresql://sutazai@127.0.0.1:{port}/{name}")
        async with queue_on(url) as queue, worker(url, tmp_path / "g.sock", tmp_path / "one"):
            await give(queue, 20)
            await until_done(queue, 20, 60)
    assert sum(ledger.asked.values()) == 20


async def test_the_database_goes_away_and_comes_back(
    server: Postgres, tmp_path: Path, gateway: FakeGateway
) -> None:
    ledger = Ledger()
    gateway.agents["helper"] = ledger.work
    url = database_url(server.create("interrupted"))
    async with queue_on(url) as queue, worker(url, tmp_path / "g.sock", tmp_path / "one") as alive:
        ids = await give(queue, 60)
        await until_done(queue, 15, 60)
        server.kill()
        await asyncio.sleep(1.0)
        server.start()
        await until_done(queue, 60, 120)
        assert alive.returncode is None
    assert ledger.effects == Counter(ids)


async def test_without_a_fleet_or_on_sqlite_a_worker_says_so(
    server: Postgres, tmp_path: Path
) -> None:
    empty = database_url(server.create("empty"))
    for url, code in ((empty, 4), (f"sqlite:///{tmp_path / 'x.sqlite'}", 2)):
        async with worker(url, tmp_path / "g.sock", tmp_path / "one") as process:
            assert await asyncio.wait_for(process.wait(), 90) == code
