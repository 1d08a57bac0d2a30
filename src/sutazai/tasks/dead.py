"""Dead letters: a view over the tasks that failed, expired or were shed, with replay."""

from __future__ import annotations

import time

from sutazai.fleet.errors import NotFound
from sutazai.fleet.work import DEAD, Task
from sutazai.store import TaskChanges, Tasks, Wanted
from sutazai.tasks.dispatch.bell import Bell

AT_ONCE = 1_000
"""Most letters that one call replays or drops."""


class DeadLetters:
    """What ended in a way that somebody should look at."""

    def __init__(self, tasks: Tasks, changes: TaskChanges, bell: Bell) -> None:
        self._tasks = tasks
        self._changes = changes
        self._bell = bell

    async def find(self, wanted: Wanted, *, limit: int) -> list[Task]:
        """The newest of those that are wanted, newest first."""
        return await self._tasks.find(_dead(wanted), limit=limit)

    async def get(self, task_id: str) -> Task:
        """One of them. Raises NotFound."""
        task = await self._tasks.get(task_id)
        if task is None or not task.state.is_dead:
            raise NotFound(f"there is no dead letter {task_id}", hint="sutazai dead list")
        return task

    async def replay(self, wanted: Wanted) -> list[str]:
        """Has those that are wanted tried again, the oldest first; the ids of up to `AT_ONCE`."""
        renewed = await self._changes.replay(_dead(wanted), time.time(), limit=AT_ONCE)
        self._bell.ring()
        return renewed

    async def drop(self, wanted: Wanted) -> int:
        """Forgets those that are wanted, up to `AT_ONCE`; how many."""
        return await self.forget(*(task.id for task in await self.find(wanted, limit=AT_ONCE)))

    async def forget(self, *task_ids: str) -> int:
        """Forgets these; how many of them were dead letters."""
        return await self._changes.drop(task_ids)


def _dead(wanted: Wanted) -> Wanted:
    return Wanted(DEAD, wanted.agent, wanted.kind, wanted.since, wanted.until)
