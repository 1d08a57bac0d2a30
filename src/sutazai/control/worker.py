"""A process that does durable work beside control: the same queue, the same rules, no API.

It reaches agents through the gateway of its machine, or of another one, and knows the fleet from
the database. Progress of runs that it takes over is seen once control reads it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sutazai.fleet.errors import BadInput, NotFound, Unavailable
from sutazai.fleet.places import Places
from sutazai.fleet.revisions import Revision
from sutazai.fleet.spec import Fleet
from sutazai.fleet.work import Run, Task
from sutazai.store import Database, Revisions, migrate
from sutazai.store.database import database_url
from sutazai.tasks.calls import AgentCalls
from sutazai.tasks.dispatch.routing import doers
from sutazai.tasks.office import Hearing, Office, Place
from sutazai.wire import Address, Client

REVISION_EVERY = 10.0
"""Seconds between two looks at whether the fleet changed."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerPlan:
    """How a worker works.

    Args:
        folder: where runs that it takes over write their artifacts; shared with control's where
            somebody should find them there.
        gateway: how agents are reached; ``key`` is needed where it is no socket of this machine.
        host: who knows why an agent failed, where it is within reach.
    """

    database: str
    folder: Path
    gateway: Address
    host: Address | None = None
    key: str | None = None
    name: str = ""


def beside(places: Places, database: str) -> WorkerPlan:
    """A worker on the machine of a fleet that runs."""
    return WorkerPlan(
        database,
        places.artifacts,
        Address.parse(f"unix:{places.gateway_socket}"),
        Address.parse(f"unix:{places.host_socket}"),
    )


async def work(plan: WorkerPlan) -> None:
    """Works until SIGTERM or SIGINT; what is under way then is taken over by others."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with opened(plan) as office:
        working = asyncio.create_task(office.run(), name="work")
        stop = asyncio.create_task(stopping.wait(), name="stop the worker")
        await asyncio.wait({working, stop}, return_when=asyncio.FIRST_COMPLETED)
        for task in (working, stop):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working


@asynccontextmanager
async def opened(plan: WorkerPlan) -> AsyncIterator[Office]:
    """The worker's office, and what it stands on. Raises BadInput, NotFound or Unavailable."""
    url = database_url(plan.database)
    async with AsyncExitStack() as stack:
        migrate(url)
        database = Database(url)
        stack.callback(database.close)
        if not database.is_shared:
            raise BadInput("SQLite is for one process only", hint="workers need a Postgres")
        revisions = Revisions(database)
        revision = await _newest(revisions)
        client = await stack.enter_async_context(Client())
        plan.folder.mkdir(parents=True, exist_ok=True)
        office = Office(
            plan.name or f"worker-{socket.gethostname()}-{os.getpid()}",
            Fleet.model_validate(revision.spec),
            Place(database, url, plan.folder),
            AgentCalls(client, plan.gateway, plan.host, key=plan.key),
            Hearing(_task_died, _run_ended),
        )
        stack.push_async_callback(office.close)
        await office.open()
        following = asyncio.create_task(
            _follow(revisions, office, revision.number), name="follow the fleet's revisions"
        )
        stack.push_async_callback(_ended, following)
        log.info("%s works on the queue", office.dispatcher.executor)
        yield office


async def _newest(revisions: Revisions) -> Revision:
    revision = await revisions.newest()
    if revision is None:
        raise NotFound(
            "no fleet was started on this database yet",
            hint="start one with `database:` in its file: sutazai up",
        )
    return revision


async def _follow(revisions: Revisions, office: Office, known: int) -> None:
    while True:
        await asyncio.sleep(REVISION_EVERY)
        with contextlib.suppress(Unavailable):
            revision = await _newest(revisions)
            if revision.number != known:
                known = revision.number
                office.crew.staff(doers(Fleet.model_validate(revision.spec)))


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _task_died(task: Task) -> None:
    log.warning("task %s %s: %s", task.id, task.state, task.reason)


async def _run_ended(run: Run) -> None:
    log.info("run %s %s", run.id, run.state)
