"""Durable tasks: ``python -m benchmarks.tasking.durable URL FOLDER GATEWAY COUNT`` prints figures.

The executor as control has it, without the API: each task is submitted, claimed, done by an agent
behind the gateway as a recorded step, and ended in the table.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from statistics import quantiles
from typing import Any

import uvloop

from sutazai.fleet.queueing import TaskQueue
from sutazai.fleet.spec import Agent, Fleet
from sutazai.fleet.work import Invocation, Result, Run, Task, TaskRequest
from sutazai.store import Database, migrate
from sutazai.store.database import sqlite_url
from sutazai.tasks.calls import AgentCalls
from sutazai.tasks.office import Hearing, Office, Place
from sutazai.wire import Address, Client

SINGLE = 100
IDLE = 3.0
PAUSE = 0.05


class Timed(AgentCalls):
    """Notes when each task begins."""

    def __init__(self, client: Client, gateway: Address) -> None:
        super().__init__(client, gateway, None)
        self.began: dict[str, float] = {}

    async def invoke(self, agent: str, invocation: Invocation) -> Result:
        self.began[invocation.task or ""] = time.perf_counter()
        return await super().invoke(agent, invocation)


async def measure(url: str, folder: Path, gateway: Address, count: int) -> dict[str, Any]:
    """Tasks a second, milliseconds from submit to start, and what an idle executor takes."""
    migrate(url)
    database = Database(url)
    async with Client() as client:
        calls = Timed(client, gateway)
        fleet = Fleet(
            name="bench", agents={"echo": Agent(concurrency=1000)}, tasks=TaskQueue(queue=100_000)
        )
        workflows = url if database.is_shared else sqlite_url(folder / "workflows.sqlite")
        place = Place(database, workflows, folder / "artifacts")
        office = Office("bench", fleet, place, calls, Hearing(_nobody_died, _no_run))
        await office.open()
        working = asyncio.create_task(office.run(), name="office")
        await asyncio.sleep(1.0)
        cpu = time.process_time()
        await asyncio.sleep(IDLE)
        idle = (time.process_time() - cpu) / IDLE
        waits = await _one_by_one(office, calls)
        rate = await _all_at_once(office, count)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await office.close()
    database.close()
    cuts = quantiles(waits, n=100)
    return {"per_second": rate, "p50": cuts[49], "p99": cuts[98], "idle_core": idle}


async def _one_by_one(office: Office, calls: Timed) -> list[float]:
    waits = []
    for number in range(SINGLE):
        began = time.perf_counter()
        task = await office.task_desk.submit(TaskRequest(agent="echo", input=number))
        await office.task_desk.wait(task.id, 30)
        waits.append(1000 * (calls.began[task.id] - began))
        await asyncio.sleep(PAUSE)
    return waits


async def _all_at_once(office: Office, count: int) -> float:
    """From the first submit to the last end; each one submitted by itself."""
    gate = asyncio.Semaphore(64)

    async def one(number: int) -> None:
        async with gate:
            await office.task_desk.submit(TaskRequest(agent="echo", input=number, ttl=None))

    began = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(count)))
    while await office.tasks.count_open():
        await asyncio.sleep(0.02)
    return count / (time.perf_counter() - began)


async def _nobody_died(task: Task) -> None:
    raise AssertionError(f"{task.id}: {task.reason}")


async def _no_run(run: Run) -> None:
    raise AssertionError(run.id)


if __name__ == "__main__":
    url, folder, gateway, count = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        figures = measure(url, Path(folder), Address.parse(gateway), int(count))
        print(json.dumps(runner.run(figures)))
