"""Revisions of the fleet: what was accepted, what lies between, and accepting another one."""

from __future__ import annotations

from fastapi import APIRouter

from sutazai.control.api.parts import PartsDep
from sutazai.fleet.revisions import (
    Application,
    Difference,
    FleetPlan,
    Restoration,
    Revision,
    RevisionInfo,
)

router = APIRouter(prefix="/revisions", tags=["revisions"])


@router.get("")
async def history(parts: PartsDep) -> list[RevisionInfo]:
    """The last revisions, newest first."""
    return await parts.reviser.history()


@router.get("/{number}")
async def show(parts: PartsDep, number: int) -> Revision:
    """One of them, with all that it declares."""
    return await parts.reviser.get(number)


@router.get("/{number}/difference/{other}")
async def difference(parts: PartsDep, number: int, other: int) -> Difference:
    """What lies between two of them."""
    return await parts.reviser.difference(number, other)


@router.post("")
async def apply(parts: PartsDep, asked: Application) -> FleetPlan:
    """Makes a fleet the next revision and moves what changed; `dry_run` only says how. Control
    starts anew for it: for about a second new requests wait."""
    return await parts.reviser.apply(asked)


@router.post("/{number}/restore")
async def restore(parts: PartsDep, number: int, asked: Restoration) -> FleetPlan:
    """Makes what an earlier revision declared the next one, in the same way."""
    return await parts.reviser.restore(number, asked)
