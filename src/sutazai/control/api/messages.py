"""Messages between agents: what inboxes hold, dead letters, and sending one by hand."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from sutazai.control.api.parts import PartsDep
from sutazai.fleet.errors import from_dict
from sutazai.fleet.ids import new_tag
from sutazai.fleet.messaging import Word

router = APIRouter(prefix="/messages", tags=["messages"])


class Sending(BaseModel):
    """A message that is sent by hand: to an agent, or to those who have a topic. ``id`` makes it
    the same message, however often it is sent."""

    type: Word
    body: Any = None
    to: str = ""
    topic: str = ""
    id: str = Field(default_factory=lambda: new_tag(12), max_length=100)
    lasts: float | None = Field(None, gt=0)


class Wanted(BaseModel):
    """Which dead letters are meant; what is not given fits all."""

    ids: list[str] = []
    to: str | None = None
    sender: str | None = None
    type: str | None = None
    reason: str | None = None


@router.get("")
async def overview(parts: PartsDep) -> dict[str, Any]:
    """The broker, the inboxes that hold something, and how many dead letters there are."""
    found: dict[str, Any] = await parts.gateway.call("GET", "/messages")
    return found


@router.post("")
async def send(parts: PartsDep, sending: Sending) -> dict[str, Any]:
    """Sends a message; it is kept when this answers. `reached` is who gets it."""
    message = sending.model_dump(exclude_none=True)
    value = {"version": 3, "messages": [message]}
    receipt = await parts.gateway.call("POST", "/messages", value)
    for error in receipt.get("refused", {}).values():
        raise from_dict(error)
    reached = [sending.to] if sending.to else receipt.get("reached", {}).get("0", [])
    return {"id": sending.id, "reached": reached}


@router.get("/inbox/{agent}")
async def inbox(
    parts: PartsDep, agent: str, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> list[dict[str, Any]]:
    """What an agent is still to get, the oldest first."""
    parts.agent(agent)
    found: list[dict[str, Any]] = await parts.gateway.call(
        "GET", f"/messages/inbox/{agent}?limit={limit}"
    )
    return found


@router.get("/dead")
async def dead(
    parts: PartsDep,
    to: str | None = None,
    sender: str | None = None,
    type: str | None = None,  # noqa: A002 (the name of the query's field)
    reason: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[dict[str, Any]]:
    """Messages that were given up, the newest first."""
    given = {"to": to, "sender": sender, "type": type, "reason": reason, "limit": limit}
    query = urlencode({name: value for name, value in given.items() if value is not None})
    found: list[dict[str, Any]] = await parts.gateway.call("GET", f"/messages/dead?{query}")
    return found


@router.post("/replay")
async def replay(parts: PartsDep, wanted: Wanted) -> dict[str, Any]:
    """Delivers dead letters once more, under new ids."""
    return await _post(parts, "replay", wanted)


@router.post("/drop")
async def drop(parts: PartsDep, wanted: Wanted) -> dict[str, Any]:
    """Forgets dead letters."""
    return await _post(parts, "drop", wanted)


async def _post(parts: PartsDep, verb: str, wanted: Wanted) -> dict[str, Any]:
    done: dict[str, Any] = await parts.gateway.call(
        "POST", f"/messages/{verb}", wanted.model_dump(exclude_none=True)
    )
    return done
