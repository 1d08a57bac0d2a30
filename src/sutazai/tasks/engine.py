"""DBOS, which remembers each finished step of a workflow: the only file that knows of it.

Workflows run as tasks of the event loop that launches the engine, so they share its HTTP client.
They are started directly: DBOS's queues poll, and only recovery uses one (within 1 s).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from enum import Enum
from functools import partial
from typing import Any, TypeVar, cast

from dbos import DBOS, DBOSConfig, SetWorkflowID
from dbos import error as dbos_errors
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from sutazai.fleet.errors import Unavailable

T = TypeVar("T")

VERSION = "2"
"""To be raised whenever the steps of a workflow, or what they return, change: a workflow that was
begun by another version is not resumed."""
THREADS = 8
CONNECTIONS = 4
LISTENING = 0.1
"""Seconds that DBOS sleeps between looks for messages, of which we send none; closing waits."""
ENDED = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
RETIRED_AT_ONCE = 500


class Life(Enum):
    """What became of a workflow."""

    ABSENT = "absent"  # it was never started
    ALIVE = "alive"  # it runs, or is about to be resumed
    OVER = "over"  # it ended, or cannot be resumed by this version


class Engine:
    """Starts, resumes and retires durable workflows; one a process, on one event loop."""

    def __init__(self, url: str, executor: str) -> None:
        """
        Args:
            url: of a SQLite file of its own, or of a Postgres.
            executor: who this is, in this life.
        """
        _prepare(url)
        # A pooler between us and Postgres takes no statements that are prepared, and no listeners.
        connecting = {"connect_args": {"prepare_threshold": None, "connect_timeout": 5}}
        config: DBOSConfig = {
            "name": "sutazai",
            "system_database_url": url.replace("postgresql+psycopg:", "postgresql:"),
            "application_version": VERSION,
            "executor_id": executor,
            "log_level": "ERROR",
            "sys_db_pool_size": CONNECTIONS,
            "max_executor_threads": THREADS,
            "notification_listener_polling_interval_sec": LISTENING,
            "use_listen_notify": False,
        }
        if not url.startswith("sqlite"):
            config["db_engine_kwargs"] = connecting
        DBOS(config=config)
        self._bodies: dict[str, Callable[[str], Coroutine[Any, Any, None]]] = {}
        self._running: set[asyncio.Task[Any]] = set()

    def register(self, name: str, body: Callable[[str], Awaitable[None]]) -> None:
        """Makes ``body``, which is given its id, the workflow ``name``. Before launch only."""

        async def workflow(workflow_id: str) -> None:
            task = cast("asyncio.Task[Any]", asyncio.current_task())
            self._running.add(task)
            try:
                await body(workflow_id)
            finally:
                self._running.discard(task)

        self._bodies[name] = DBOS.workflow(name=name)(workflow)

    def launch(self) -> None:
        """Prepares the database and resumes what was left; blocks for some 0.2 s.

        Must be called on the event loop that workflows are to run on.
        """
        with _translated():
            DBOS.launch()

    async def start(self, name: str, workflow_id: str) -> None:
        """Starts a workflow; one that was started before is left as it is."""
        with _translated(), SetWorkflowID(workflow_id):
            await DBOS.start_workflow_async(self._bodies[name], workflow_id)

    async def life(self, workflow_id: str) -> Life:
        """What became of a workflow."""
        with _translated():
            status = await DBOS.get_workflow_status_async(workflow_id)
        if status is None:
            return Life.ABSENT
        resumable = status.status not in ENDED and status.app_version == VERSION
        return Life.ALIVE if resumable else Life.OVER

    async def step(
        self, name: str, function: Callable[..., Coroutine[Any, Any, T]], *arguments: Any
    ) -> T:
        """Runs one step of the workflow that calls this; its result is recorded once."""
        return await DBOS.run_step_async({"name": name}, function, *arguments)

    def reserve(
        self, name: str, function: Callable[..., Coroutine[Any, Any, T]], *arguments: Any
    ) -> Callable[[], Coroutine[Any, Any, T]]:
        """A step that takes its place now and runs when called.

        Steps beside each other need it: their places must not depend on which is faster.
        """
        place = DBOS.reserve_step()

        async def run() -> T:
            return await place.run_async({"name": name}, function, *arguments)

        return run

    async def recorded(self, workflow_id: str, step: str) -> Any:
        """What a step of a workflow gave; None where it was not done."""
        with _translated():
            steps = await DBOS.list_workflow_steps_async(workflow_id)
        found = (done["output"] for done in steps if done["function_name"] == step)
        return next(found, None)

    async def abandon(self, workflow_ids: Sequence[str]) -> None:
        """Nobody goes on with these."""
        if workflow_ids:
            with _translated():
                await DBOS.cancel_workflows_async(list(workflow_ids))

    async def adopt(self, executor: str) -> None:
        """Goes on, here or in another process, with what an executor that died left behind."""
        recover = partial(DBOS._recover_pending_workflows, [executor])
        # Not with the loop's own threads: those are DBOS's, and an earlier engine's may be closed.
        with _translated(), ThreadPoolExecutor(1, thread_name_prefix="adopt") as thread:
            await asyncio.get_running_loop().run_in_executor(thread, recover)

    async def retire(self, *, before: float, kept: int) -> int:
        """Forgets workflows that ended before a time, and the oldest beyond ``kept``; how many, up
        to a bound."""
        with _translated():
            return await self._retire(before, kept)

    async def _retire(self, before: float, kept: int) -> int:
        old = await DBOS.list_workflows_async(
            status=ENDED,
            completed_before=datetime.fromtimestamp(before, UTC).isoformat(),
            load_input=False,
            load_output=False,
            limit=RETIRED_AT_ONCE,
        )
        surplus = await DBOS.list_workflows_async(
            status=ENDED,
            sort_desc=True,
            offset=kept,
            load_input=False,
            load_output=False,
            limit=RETIRED_AT_ONCE,
        )
        ids = sorted({workflow.workflow_id for workflow in (*old, *surplus)})
        if ids:
            await DBOS.delete_workflows_async(ids)
        return len(ids)

    async def close(self) -> None:
        """Leaves what runs to be resumed by the next launch, and closes; blocks for up to 0.2 s."""
        running = list(self._running)
        for task in running:
            task.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2.0):
                await asyncio.gather(*running, return_exceptions=True)
        DBOS.destroy(destroy_registry=True)
        # It made its threads those of the loop, which is not over yet, and closed them now.
        threads = ThreadPoolExecutor(THREADS, thread_name_prefix="asyncio")
        asyncio.get_running_loop().set_default_executor(threads)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (dbos_errors.DBOSException, SQLAlchemyError) as error:
        raise Unavailable(
            f"the workflow database cannot be used: {error}",
            hint="look at the free space of the disk and the rights of the state folder",
        ) from error


def _prepare(url: str) -> None:
    """WAL belongs to the file, so it is set once before DBOS opens it; others may not read it."""
    file = make_url(url).database
    if not url.startswith("sqlite") or file is None:
        return
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
