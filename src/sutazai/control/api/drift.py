"""Drift: what runs otherwise than it is declared."""

from __future__ import annotations

from fastapi import APIRouter

from sutazai.control.api.parts import PartsDep
from sutazai.fleet.drift import DriftReport

router = APIRouter(prefix="/drift", tags=["drift"])


@router.get("")
async def show(parts: PartsDep) -> DriftReport:
    """What was found by the last looks, and its share of all that was looked at."""
    return parts.drift.report()
