"""A scheduler before a workplace's desks, on a clock that only the test moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sutazai.fleet.scheduling import Schedule
from sutazai.fleet.work import Run, Task
from sutazai.store import Schedules
from sutazai.tasks.schedules.scheduler import Scheduler
from sutazai.tasks.schedules.starting import Starter
from tests.tasks.conftest import Workplace, workplace

__all__ = ["workplace"]

START = datetime(2026, 11, 21, 1, 30, tzinfo=UTC).timestamp()
HOUR = 3600.0


@dataclass
class Clock:
    """Stands still until it is moved."""

    now: float = START

    def __call__(self) -> float:
        return self.now


@dataclass
class Desk:
    """The scheduler of one process, with what it told."""

    workplace: Workplace
    schedules: dict[str, Schedule]
    clock: Clock = field(default_factory=Clock)
    told: list[tuple[str, str]] = field(default_factory=list)
    scheduler: Scheduler = field(init=False)

    def __post_init__(self) -> None:
        self.scheduler = self.another()

    def another(
        self, *, clock: Callable[[], float] | None = None, store: Schedules | None = None
    ) -> Scheduler:
        """One more scheduler of the same schedules, as of another process."""
        office = self.workplace.office
        starter = Starter(office.task_desk, office.run_desk)
        store = store or Schedules(office.database)
        return Scheduler(self.schedules, store, starter, self._tell, clock=clock or self.clock)

    async def at(self, hours: float) -> None:
        """Moves the clock to so many hours after the start, and looks."""
        self.clock.now = START + hours * HOUR
        await self.scheduler.look()

    async def tasks(self) -> list[Task]:
        """Every task there is, oldest first."""
        return [*reversed(await self.workplace.tasks.newest())]

    async def runs(self) -> list[Run]:
        return [*reversed(await self.workplace.runs.newest())]

    def kinds(self) -> list[str]:
        return [kind.removeprefix("schedule-") for kind, _ in self.told]

    async def _tell(self, kind: str, message: str, *, schedule: str) -> None:
        assert schedule in message
        self.told.append((kind, message))
