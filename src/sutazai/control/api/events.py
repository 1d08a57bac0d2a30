"""The fleet's event log."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from sutazai.control.api.parts import Parts, PartsDep
from sutazai.control.api.streams import EVENT_STREAM, event_stream
from sutazai.fleet.status import Event
from sutazai.wire import sse_event

LIMIT = 1000

router = APIRouter(prefix="/events", tags=["events"])


@router.get("", response_model=list[Event], responses={200: {"content": {EVENT_STREAM: {}}}})
async def events(
    parts: PartsDep,
    after: Annotated[int, Query(ge=0)] = 0,
    follow: bool = False,
    limit: Annotated[int, Query(ge=1, le=LIMIT)] = LIMIT,
) -> list[Event] | Response:
    """The last events after a sequence, oldest first; with `follow=1` all of them and those to
    come, as events `event`."""
    if follow:
        return _followed(parts, after)
    return await parts.feed.newest(limit, after=after)


def _followed(parts: Parts, after: int) -> StreamingResponse:
    async def encoded() -> AsyncGenerator[bytes]:
        async for event in parts.feed.follow(after):
            yield sse_event(event.model_dump_json(), "event", str(event.sequence))

    return event_stream(encoded(), parts.stopping)
