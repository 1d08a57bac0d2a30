"""Puts control together: the one place where its parts meet."""

from __future__ import annotations

import asyncio
import logging
import os
import pwd
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from sutazai.control.api.parts import Parts, Work
from sutazai.control.feed import EventFeed
from sutazai.control.keys import agent_keys
from sutazai.control.ollama import SourceChooser
from sutazai.control.peers import GatewayPeer, HostPeer
from sutazai.control.reconciler import EVERY, Reconciler
from sutazai.control.settings import Settings
from sutazai.control.status import StatusReader
from sutazai.control.tail import tail
from sutazai.fleet.errors import Unavailable
from sutazai.fleet.work import Run, Task, WorkState
from sutazai.store import Database, Events, Policies, Revisions, Runs, Stops, Tasks, migrate
from sutazai.store.database import sqlite_url
from sutazai.tasks.artifacts import ArtifactFolder
from sutazai.tasks.calls import AgentCalls
from sutazai.tasks.desk import RunDesk
from sutazai.tasks.engine import Engine
from sutazai.tasks.progress import Progress
from sutazai.tasks.retire import Keep, retire
from sutazai.tasks.task import TaskDesk
from sutazai.wire import Client

RETIRE_EVERY = 3600.0
RETIRE_FIRST = 60.0
"""Seconds after the start at which what is too old goes for the first time."""

log = logging.getLogger(__name__)


@asynccontextmanager
async def open_control(settings: Settings, *, every: float = EVERY) -> AsyncIterator[Parts]:
    """Opens the databases, resumes what was left, and closes everything in the end.

    Args:
        every: seconds between two looks at whether the peers are where they should be.
    """
    places = settings.places
    async with AsyncExitStack() as stack:
        migrate(sqlite_url(places.database))
        database = Database(sqlite_url(places.database))
        stack.callback(database.close)
        client = await stack.enter_async_context(Client())
        engine = Engine(places.workflow_database)
        stack.push_async_callback(engine.close)
        parts = await _parts(settings, database, client, engine, every)
        engine.launch()
        await parts.work.task_desk.recover()
        await parts.work.run_desk.recover()
        yield parts


async def run_background(parts: Parts) -> None:
    """What goes on beside the API, until cancelled; raises when any of it fails."""
    async with asyncio.TaskGroup() as group:
        group.create_task(parts.reconciler.run(), name="reconcile")
        group.create_task(tail(parts.host, parts.feed), name="read the host's events")
        group.create_task(_retire(parts.work), name="retire what is old")


async def _retire(work: Work) -> None:
    await asyncio.sleep(RETIRE_FIRST)
    while True:
        try:
            await retire(
                work.tasks, work.runs, work.engine, work.artifacts, now=time.time(), keep=Keep()
            )
        except Unavailable as error:
            log.warning("what is old is retired later: %s", error)
        await asyncio.sleep(RETIRE_EVERY)


async def _parts(
    settings: Settings, database: Database, client: Client, engine: Engine, every: float
) -> Parts:
    places = settings.places
    host = HostPeer(client, "host", places.host_socket)
    gateway = GatewayPeer(client, "gateway", places.gateway_socket)
    feed = EventFeed(Events(database))
    revisions = Revisions(database)
    revision = await _record(settings, revisions, feed)
    reconciler = _reconciler(settings, database, client, host, gateway, feed, every)
    return Parts(
        settings=settings,
        host=host,
        gateway=gateway,
        reconciler=reconciler,
        status=StatusReader(settings, reconciler, host, gateway, revision=revision),
        feed=feed,
        revisions=revisions,
        work=_work(settings, database, client, engine, feed),
        stopping=asyncio.Event(),
    )


def _reconciler(
    settings: Settings,
    database: Database,
    client: Client,
    host: HostPeer,
    gateway: GatewayPeer,
    feed: EventFeed,
    every: float,
) -> Reconciler:
    state, config = settings.places.state, settings.config
    chooser = SourceChooser(
        settings.fleet,
        client,
        state / "llm-source.json",
        started=config.started,
        gateway=config.ports.gateway,
    )
    return Reconciler(
        settings,
        agent_keys(state / "keys.json", settings.fleet.agents),
        host=host,
        gateway=gateway,
        policies=Policies(database),
        stops=Stops(database),
        chooser=chooser,
        feed=feed,
        every=every,
    )


def _work(
    settings: Settings,
    database: Database,
    client: Client,
    engine: Engine,
    feed: EventFeed,
) -> Work:
    places = settings.places
    tasks, runs = Tasks(database), Runs(database)
    artifacts, progress = ArtifactFolder(places.artifacts), Progress()
    calls = AgentCalls(client, places.gateway_socket, places.host_socket)

    async def task_failed(task: Task) -> None:
        message = (task.error or {}).get("message", "no reason is known")
        await feed.add("task-failed", f"task {task.id} failed: {message}", unit=task.agent)

    async def run_ended(run: Run) -> None:
        reason = f": {run.error['message']}" if run.error else ""
        kind = "run-done" if run.state is WorkState.DONE else "run-failed"
        await feed.add(kind, f"run {run.id} {run.state}{reason}", run=run.id)

    return Work(
        calls=calls,
        tasks=tasks,
        task_desk=TaskDesk(tasks, engine, calls, task_failed),
        runs=runs,
        run_desk=RunDesk(runs, engine, calls, artifacts, progress, run_ended),
        progress=progress,
        artifacts=artifacts,
        engine=engine,
    )


async def _record(settings: Settings, revisions: Revisions, feed: EventFeed) -> int:
    """The number of the fleet's revision, a new one where the fleet changed."""
    before = await revisions.newest()
    source = settings.config.fleet_file or "the built-in fleet"
    revision = await revisions.record(
        settings.fleet, author=_author(), at=time.time(), reason=f"started from {source}"
    )
    if before is None or revision.number != before.number:
        await feed.add("revision", f"revision {revision.number}: {source}", number=revision.number)
    return revision.number


def _author() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
