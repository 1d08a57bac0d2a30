"""Schedules: when they begin next, what they began, and holding them back."""

from __future__ import annotations

from fastapi import APIRouter

from sutazai.control.api.parts import PartsDep
from sutazai.fleet.scheduling import ScheduleStatus

router = APIRouter(prefix="/schedules", tags=["schedules"])


@router.get("")
async def list_schedules(parts: PartsDep) -> list[ScheduleStatus]:
    """Every schedule of the fleet file, with its next times."""
    return await parts.schedules.all()


@router.get("/{name}")
async def show(parts: PartsDep, name: str) -> ScheduleStatus:
    """One schedule: its next times, what is due, and what it began that has not ended."""
    return await parts.schedules.get(name)


@router.post("/{name}/pause")
async def pause(parts: PartsDep, name: str) -> ScheduleStatus:
    """Holds it back, over restarts too, until it is resumed."""
    return await parts.schedules.pause(name)


@router.post("/{name}/resume")
async def resume(parts: PartsDep, name: str) -> ScheduleStatus:
    """Lets it go on from now; times that passed meanwhile are not made up for."""
    return await parts.schedules.resume(name)


@router.post("/{name}/run")
async def run(parts: PartsDep, name: str) -> dict[str, str]:
    """Begins its work at once, whatever the clock, the window and earlier work say."""
    return {"work": await parts.schedules.run_now(name)}
