"""What the gateway tells of its queue, its backends and its calls, handed through."""

from __future__ import annotations

from enum import StrEnum

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from sutazai.control.api.parts import PartsDep
from sutazai.control.api.streams import handed_through

router = APIRouter(prefix="/gateway", tags=["gateway"])


class Subject(StrEnum):
    """What can be asked of the gateway."""

    STATS = "stats"
    QUEUE = "queue"
    BACKENDS = "backends"
    CALLS = "calls"
    DEAD = "dead"


@router.get("/{subject}", response_class=StreamingResponse)
async def show(parts: PartsDep, subject: Subject, request: Request) -> StreamingResponse:
    """Its figures, who waits, its backends, the record of calls, or those that were refused; what
    narrows a list (`limit`, `agent`, `since`, …) is as in the gateway's own API."""
    query = f"?{request.url.query}" if request.url.query else ""
    return handed_through(
        await parts.gateway.stream("GET", f"/{subject.value}{query}"), parts.stopping
    )
