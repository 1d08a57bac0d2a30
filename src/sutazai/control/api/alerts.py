"""Alerts, who looks after them, silences, rules and service levels."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field

from sutazai.control.api.parts import PartsDep
from sutazai.fleet.alert_status import (
    WORDS,
    Alert,
    AlertRuleStatus,
    AlertState,
    ObjectiveStatus,
    Silence,
    SilenceWanted,
    Waiting,
)
from sutazai.fleet.shapes import Shape

router = APIRouter(tags=["alerts"])


class Acknowledging(Shape):
    """``by`` is who looks after it."""

    by: str = Field("", max_length=WORDS)
    note: str = Field("", max_length=WORDS)


@router.get("/alerts")
async def list_alerts(parts: PartsDep, state: AlertState | None = None) -> list[Alert]:
    """What fires, what is pending, and what ended of late."""
    return [each for each in parts.alerts.alerts() if state in (None, each.state)]


@router.get("/alerts/rules")
async def rules(parts: PartsDep) -> list[AlertRuleStatus]:
    """The rules that are watched."""
    return parts.alerts.rules()


@router.get("/alerts/objectives")
async def objectives(parts: PartsDep) -> list[ObjectiveStatus]:
    """Service levels, and what is left of their error budgets."""
    return parts.alerts.objectives()


@router.get("/alerts/notifications")
async def notifications(parts: PartsDep) -> list[Waiting]:
    """Notifications that no target has taken yet."""
    return parts.alerts.waiting()


@router.get("/alerts/{name}")
async def show(parts: PartsDep, name: str) -> Alert:
    """One alert, by its id, or by its rule where that has only one open."""
    return parts.alerts.alert(name)


@router.post("/alerts/{name}/ack")
async def acknowledge(parts: PartsDep, name: str, word: Acknowledging) -> Alert:
    """Somebody looks after it: it is not escalated any further."""
    return await parts.alerts.acknowledge(name, by=word.by, note=word.note)


@router.get("/silences")
async def silences(parts: PartsDep) -> list[Silence]:
    """Silences that have not run out."""
    return parts.alerts.silences()


@router.post("/silences", status_code=201)
async def silence(parts: PartsDep, wanted: SilenceWanted) -> Silence:
    """Lets nobody hear of what matches, for a while."""
    return await parts.alerts.silence(wanted)


@router.put("/silences/{name}")
async def change_silence(parts: PartsDep, name: str, wanted: SilenceWanted) -> Silence:
    """Changes a silence, as how long it lasts."""
    return await parts.alerts.silence(wanted, instead_of=name)


@router.delete("/silences/{name}")
async def end_silence(parts: PartsDep, name: str) -> Silence:
    """Ends a silence."""
    return await parts.alerts.end_silence(name)
