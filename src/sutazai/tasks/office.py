"""Everything that does durable work in one process, put together: in control, and in a worker."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sutazai.fleet.errors import SutazaiError, Unavailable
from sutazai.fleet.queueing import TaskOverflow
from sutazai.fleet.spec import Fleet
from sutazai.fleet.work import Run, Task
from sutazai.store import Database, Executors, Fetchers, Intake, Runs, TaskChanges, Tasks, Turns
from sutazai.tasks.artifacts import ArtifactFolder
from sutazai.tasks.calls import AgentCalls
from sutazai.tasks.dead import DeadLetters
from sutazai.tasks.desk import RunDesk
from sutazai.tasks.disk import check_room
from sutazai.tasks.dispatch.bell import Bell, listen
from sutazai.tasks.dispatch.dispatcher import Dispatcher, Means
from sutazai.tasks.dispatch.lives import Lives, new_life
from sutazai.tasks.dispatch.routing import Crew, doers
from sutazai.tasks.endings import Endings
from sutazai.tasks.engine import Engine
from sutazai.tasks.progress import Progress
from sutazai.tasks.pull.asking import ask_by_task
from sutazai.tasks.pull.desk import PullDesk
from sutazai.tasks.pull.rules import SILENCE
from sutazai.tasks.queue.admission import Admission
from sutazai.tasks.queue.failing import PATIENCE, Patience
from sutazai.tasks.retire import Keep, retire
from sutazai.tasks.standard import Rules
from sutazai.tasks.task import TaskDesk

LOOK_BUSY = 2.0
LOOK_IDLE = 10.0
"""Seconds between two looks at which agents can work, while there is work and while not."""
RETIRE_FIRST = 60.0
RETIRE_EVERY = 600.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where work is written down: ``workflows`` is the URL of the engine's database."""

    database: Database
    workflows: str
    artifacts: Path


@dataclass(frozen=True)
class Hearing:
    """Who hears of tasks that did not end well, and of runs that ended."""

    task: Callable[[Task], Awaitable[None]]
    run: Callable[[Run], Awaitable[None]]


@dataclass(frozen=True)
class Pace:
    """How often what is tried again, how many runs are open at once, and after how many seconds
    without a heartbeat an agent that fetches is taken for dead."""

    rules: Rules | None = None
    patience: Patience = PATIENCE
    open_runs: int = 100
    silence: float = SILENCE


class Office:
    """The desks, the dispatcher behind them, and the engine below.

    Args:
        name: what this executor is called over all of its lives.
    """

    def __init__(
        self,
        name: str,
        fleet: Fleet,
        place: Place,
        calls: AgentCalls,
        hearing: Hearing,
        *,
        pace: Pace | None = None,
    ) -> None:
        pace = pace or Pace()
        database = place.database
        executor = new_life(name)
        self.database = database
        self.calls = calls
        self.engine = Engine(place.workflows, executor)
        self.tasks, self.runs = Tasks(database), Runs(database)
        self.artifacts, self.progress = ArtifactFolder(place.artifacts), Progress()
        self.crew, self.bell, self.endings = Crew(doers(fleet)), Bell(), Endings()
        self._keep = Keep(age=fleet.tasks.keep, dead_age=fleet.tasks.keep_dead)
        turns, changes = Turns(database), TaskChanges(database)
        self.dispatcher = Dispatcher(
            executor,
            turns,
            self.crew,
            self.bell,
            Means(
                self.engine,
                calls,
                self.artifacts,
                fleet.tracing.share if fleet.tracing.otlp else None,
            ),
            self.endings,
            hearing.task,
            limit=fleet.tasks.concurrency,
            shared=database.is_shared,
            patience=pace.patience,
        )
        self.lives = Lives(
            name,
            Executors(database),
            turns,
            self.engine,
            self.dispatcher,
        )
        self.task_desk = TaskDesk(
            self.tasks,
            Intake(database, admission(fleet)),
            changes,
            crew=self.crew,
            bell=self.bell,
            dispatcher=self.dispatcher,
            artifacts=self.artifacts,
            endings=self.endings,
            announce=hearing.task,
            check_room=lambda: check_room(place.artifacts.parent),
        )
        calls.divert(self.crew.fetches, partial(ask_by_task, self.task_desk))
        self.pull = PullDesk(
            Fetchers(database),
            turns,
            self.tasks,
            crew=self.crew,
            dispatcher=self.dispatcher,
            calls=calls,
            artifacts=self.artifacts,
            limit=fleet.tasks.concurrency,
            silence=pace.silence,
        )
        self.dead = DeadLetters(self.tasks, changes, self.bell)
        self.run_desk = RunDesk(
            self.runs,
            self.engine,
            calls,
            self.crew,
            self.artifacts,
            self.progress,
            hearing.run,
            workflows=fleet.workflows,
            rules=pace.rules,
            open_max=pace.open_runs,
        )

    async def open(self) -> None:
        """Launches the engine and takes over what earlier lives left; blocks for some 0.2 s."""
        self.engine.launch()
        await self.pull.refresh()
        await self.lives.begin()

    async def run(self) -> None:
        """Does the work, until cancelled; raises when any part of it fails."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.dispatcher.run(), name="dispatch tasks")
            group.create_task(self.pull.run(), name="take back what was fetched")
            group.create_task(self._watch_agents(), name="watch which agents can work")
            group.create_task(self._retire(), name="retire what is old")
            if self.database.is_shared:
                group.create_task(self.lives.run(), name="live beside other executors")
                group.create_task(listen(self.database.url, self.bell), name="listen for tasks")

    async def close(self) -> None:
        """Leaves what is under way to the others, or to the next life."""
        await self.engine.close()
        await self.lives.end()

    async def _watch_agents(self) -> None:
        while True:
            try:
                unable = await self.calls.unable()
            except SutazaiError:
                unable = {}  # nothing is known, so everybody may be asked
            if unable != self.crew.unable:
                self.crew.rest(unable)
                self.bell.ring()
            await asyncio.sleep(LOOK_BUSY if self.dispatcher.working else LOOK_IDLE)

    async def _retire(self) -> None:
        await asyncio.sleep(RETIRE_FIRST)
        while True:
            try:
                now = time.time()
                kept = (self.tasks, self.runs, self.engine, self.artifacts)
                await retire(*kept, now=now, keep=self._keep)
            except Unavailable as error:
                log.warning("what is old is retired later: %s", error)
            await asyncio.sleep(RETIRE_EVERY)


def admission(fleet: Fleet) -> Admission:
    """The rule by which tasks get in, from the fleet file."""
    return Admission(
        fleet.tasks.queue,
        fleet.tasks.queue_per_target,
        fleet.tasks.overflow,
        alike(fleet) if fleet.tasks.overflow is TaskOverflow.ANOTHER_AGENT else {},
    )


def alike(fleet: Fleet) -> dict[str, list[str]]:
    """For each agent who else has one of its capabilities, and then who is of its group."""
    found: dict[str, list[str]] = {}
    for name, agent in fleet.agents.items():
        others = [(other, each) for other, each in fleet.agents.items() if other != name]
        able = [other for other, each in others if {*each.capabilities} & {*agent.capabilities}]
        near = [other for other, each in others if each.group == agent.group]
        found[name] = list(dict.fromkeys([*able, *near]))
    return found
