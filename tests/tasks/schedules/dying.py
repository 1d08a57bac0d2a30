"""A process that fires a schedule and is killed in the midst of it.

python -m tests.tasks.schedules.dying FOLDER URL WHAT POINT
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from sutazai.fleet.scheduling import Schedule, ScheduledRun, ScheduledTask, ScheduleState
from sutazai.store import Schedules
from sutazai.store.schedules import Change
from tests.tasks.conftest import Workplace
from tests.tasks.peers import FakeGateway, FakeHost
from tests.tasks.schedules.conftest import Desk

POINTS = ("before it is decided", "before it is begun", "before it is recorded")


def schedules(what: str) -> dict[str, Schedule]:
    task = ScheduledTask(agent="helper", input="x") if what == "task" else None
    run = ScheduledRun(goal="tidy up") if what == "run" else None
    return {"nightly": Schedule(cron="0 * * * *", task=task, run=run)}


class Deadly(Schedules):
    """Kills its own process at a point of the first firing."""

    def __init__(self, workplace: Workplace, point: str) -> None:
        super().__init__(workplace.office.database)
        self._point = point
        self._calls = 0

    async def change(self, name: str, change: Change) -> tuple[ScheduleState, ScheduleState]:
        self._calls += 1  # 1 and 2 are the look before its time, 3 decides, 4 records
        if (self._calls, self._point) in ((3, POINTS[0]), (4, POINTS[2])):
            os.kill(os.getpid(), signal.SIGKILL)
        states = await super().change(name, change)
        if (self._calls, self._point) == (3, POINTS[1]):
            os.kill(os.getpid(), signal.SIGKILL)
        return states


async def main(folder: str, url: str, what: str, point: str) -> None:
    workplace = Workplace(Path(folder), FakeGateway(), FakeHost(), url)
    workplace.open()
    await workplace.office.open()
    desk = Desk(workplace, schedules(what))
    desk.scheduler = desk.another(store=Deadly(workplace, point))
    await desk.at(0.0)
    await desk.at(0.5)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))
