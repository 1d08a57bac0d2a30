"""Dead letters: tasks that failed for good, expired or were shed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from sutazai.control.api.parts import PartsDep
from sutazai.fleet.work import Task
from sutazai.store import Wanted

router = APIRouter(prefix="/dead", tags=["tasks"])


def _wanted(
    agent: str | None = None,
    kind: Annotated[
        str | None, Query(description="`failed`, `expired`, `shed` or the code of an error.")
    ] = None,
    since: Annotated[float | None, Query(description="Ended then or later.")] = None,
    until: Annotated[float | None, Query(description="Ended then or before.")] = None,
) -> Wanted:
    return Wanted(agent=agent, kind=kind, since=since, until=until)


WantedDep = Annotated[Wanted, Depends(_wanted)]


@router.get("")
async def list_dead(
    parts: PartsDep, wanted: WantedDep, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> list[Task]:
    """The newest dead letters that match, newest first, each with its reason and attempts."""
    return await parts.work.dead.find(wanted, limit=limit)


@router.get("/{task_id}")
async def show(parts: PartsDep, task_id: str) -> Task:
    """One dead letter: why it failed, its attempts, and the last lines that the agent wrote."""
    return await parts.work.dead.get(task_id)


@router.post("/replay")
async def replay(parts: PartsDep, wanted: WantedDep) -> list[str]:
    """Puts dead letters that match into the queue again, the oldest first; which ones. One call
    replays 1,000 at most."""
    return await parts.work.dead.replay(wanted)


@router.post("/{task_id}/replay")
async def replay_one(parts: PartsDep, task_id: str) -> Task:
    """Puts one dead letter into the queue again."""
    return await parts.work.task_desk.retry((await parts.work.dead.get(task_id)).id)


@router.delete("")
async def drop(parts: PartsDep, wanted: WantedDep) -> dict[str, int]:
    """Forgets dead letters that match, 1,000 at most in one call."""
    return {"dropped": await parts.work.dead.drop(wanted)}


@router.delete("/{task_id}")
async def drop_one(parts: PartsDep, task_id: str) -> dict[str, int]:
    """Forgets one dead letter."""
    return {"dropped": await parts.work.dead.forget((await parts.work.dead.get(task_id)).id)}
