"""What the fleet is and does."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from sutazai.control.api.parts import PartsDep
from sutazai.fleet.errors import NotFound
from sutazai.fleet.revisions import Revision
from sutazai.fleet.status import FleetStatus
from sutazai.gateway.stats import ModelStats
from sutazai.observe.alerts.reporting import headlines

router = APIRouter(tags=["fleet"])


@router.get("/status")
async def status(parts: PartsDep, memory: bool = False) -> FleetStatus:
    """Everything at once; with `memory=1` each instance's memory (PSS) is measured."""
    found = await parts.status.read(memory=memory)
    return found.model_copy(update={"alerts": headlines(parts.alerts.alerts())})


@router.get("/fleet")
async def fleet(parts: PartsDep) -> Revision:
    """The fleet file as it runs, catalogue merged in, with its revision."""
    revision = await parts.revisions.newest()
    if revision is None:
        raise NotFound("no revision was recorded yet")
    return revision


@router.get("/models")
async def models(parts: PartsDep) -> list[ModelStats]:
    """The model names that can be asked for, and which backends serve each."""
    found: list[dict[str, Any]] = await parts.gateway.call("GET", "/models")
    return [ModelStats.model_validate(model) for model in found]
