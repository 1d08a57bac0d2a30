"""Rollouts: the one that goes on, those that ended, and what a person says to one."""

from __future__ import annotations

from fastapi import APIRouter

from sutazai.control.api.parts import PartsDep
from sutazai.fleet.rollouts import RolloutView
from sutazai.fleet.shapes import Shape
from sutazai.rollout.machine import Command

router = APIRouter(prefix="/rollouts", tags=["rollouts"])


class Said(Shape):
    """Who says it."""

    by: str = "api"


@router.get("")
async def history(parts: PartsDep) -> list[RolloutView]:
    """The last rollouts, newest first."""
    return await parts.rollouts.history()


@router.get("/current")
async def current(parts: PartsDep) -> RolloutView:
    """The rollout that goes on, else the last one."""
    return await parts.rollouts.view()


@router.post("/current/{command}")
async def tell(parts: PartsDep, command: Command, said: Said) -> RolloutView:
    """`pause`, `resume`, `promote` (in place of evidence), or `abort`, which goes back."""
    view = await parts.rollouts.tell(command, said.by)
    await parts.feed.add("rollout", f"rollout {view.number}: {command} by {said.by}")
    return view
