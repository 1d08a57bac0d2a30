"""Control's share of durable work: where it is written down, and who hears how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sutazai.control.executors import executor_name
from sutazai.control.feed import EventFeed
from sutazai.control.settings import Settings
from sutazai.fleet.places import Places
from sutazai.fleet.secrets import resolve_secret
from sutazai.fleet.work import Run, Task, WorkState
from sutazai.store import Database, Schedules
from sutazai.store.database import database_url, sqlite_url
from sutazai.tasks.calls import AgentCalls
from sutazai.tasks.office import Hearing, Office, Place
from sutazai.tasks.schedules.scheduler import Scheduler
from sutazai.tasks.schedules.starting import Starter
from sutazai.wire import Address, Client

VARIABLE = "SUTAZAI_DATABASE"


def control_database(settings: Settings, environ: Mapping[str, str]) -> str:
    """The URL of the database: from the environment, else the fleet file, else SQLite."""
    declared = settings.fleet.database
    given = environ.get(VARIABLE) or (declared and resolve_secret(declared, environ, settings.base))
    return database_url(given) if given else sqlite_url(settings.places.database)


def workflows_url(database: Database, places: Places) -> str:
    """Where the workflow engine keeps its rows: beside ours on Postgres, else in a file."""
    return database.url if database.is_shared else sqlite_url(places.workflow_database)


def control_office(
    settings: Settings, database: Database, client: Client, feed: EventFeed
) -> Office:
    """Everything that does durable work in control."""
    places = settings.places

    async def task_died(task: Task) -> None:
        message = f"task {task.id} {task.state}: {task.reason or 'no reason is known'}"
        await feed.add(f"task-{task.state}", message, unit=task.agent)

    async def run_ended(run: Run) -> None:
        reason = f": {run.error['message']}" if run.error else ""
        kind = "run-done" if run.state is WorkState.DONE else "run-failed"
        await feed.add(kind, f"run {run.id} {run.state}{reason}", run=run.id)

    calls = AgentCalls(
        client,
        Address.parse(f"unix:{places.gateway_socket}"),
        Address.parse(f"unix:{places.host_socket}"),
    )
    return Office(
        executor_name("control", places),
        settings.fleet,
        Place(database, workflows_url(database, places), places.artifacts),
        calls,
        Hearing(task_died, run_ended),
    )


def control_scheduler(
    settings: Settings, office: Office, feed: EventFeed, clock: Callable[[], float]
) -> Scheduler:
    """What begins work by the clock; ``clock`` gives seconds since 1970."""
    return Scheduler(
        settings.fleet.schedules,
        Schedules(office.database),
        Starter(office.task_desk, office.run_desk),
        feed.add,
        clock=clock,
    )
