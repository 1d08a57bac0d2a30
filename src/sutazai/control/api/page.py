"""Everything about one agent, put together from what declares, runs and serves it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import Field

from sutazai.control.api.parts import Parts
from sutazai.control.why import Known, why
from sutazai.fleet.errors import BadPeer, SutazaiError
from sutazai.fleet.shapes import Shape
from sutazai.fleet.status import AgentStatus, Event

EVENTS_SHOWN = 20
LINES_SHOWN = 10
CALLS_SHOWN = 5

T = TypeVar("T")


class AgentPage(Shape):
    """One agent with everything about it.

    ``calls`` are its last calls to models as the gateway recorded them, the newest first.
    ``problems`` say what is missing here because a process did not answer.
    """

    status: AgentStatus
    why: str = Field(description="Why it is in its state, in a sentence.")
    revision: int = Field(description="Number of the fleet's revision that it runs at.")
    spec: dict[str, Any] = Field(description="What the fleet file says of it, with defaults.")
    events: tuple[Event, ...]
    log: tuple[str, ...] = ()
    calls: tuple[dict[str, Any], ...] = ()
    problems: tuple[str, ...] = ()


async def agent_page(parts: Parts, name: str) -> AgentPage:
    """The page of one agent. Raises NotFound where the fleet has none of that name."""
    spec = parts.agent(name)
    problems: list[str] = []
    fleet, events, log, calls = await asyncio.gather(
        parts.status.read(memory=True),
        parts.feed.newest(EVENTS_SHOWN, unit=name),
        _or_none(_log(parts, name), "log", problems),
        _or_none(_calls(parts, name), "calls to models", problems),
    )
    status = next(agent for agent in fleet.agents if agent.name == name)
    return AgentPage(
        status=status,
        why=why(Known(status=status, spec=spec, events=events, now=time.time())),
        revision=fleet.revision,
        spec=spec.model_dump(mode="json", by_alias=True),
        events=tuple(events),
        log=log or (),
        calls=calls or (),
        problems=tuple(problems),
    )


async def _or_none(asked: Awaitable[T], what: str, problems: list[str]) -> T | None:
    """What a peer answers; that it does not is told and no error."""
    try:
        return await asked
    except SutazaiError as error:
        problems.append(f"its {what} cannot be shown: {error.message}")
        return None


async def _log(parts: Parts, name: str) -> tuple[str, ...]:
    answer = await parts.host.stream("GET", f"/units/{quote(name)}/log?lines={LINES_SHOWN}")
    async with answer:
        if answer.status != 200:
            raise BadPeer(f"the host answered {answer.status}")
        text = (await answer.read()).decode("utf-8", "replace")
    return tuple(text.splitlines())


async def _calls(parts: Parts, name: str) -> tuple[dict[str, Any], ...]:
    found: list[dict[str, Any]] = await parts.gateway.call(
        "GET", f"/calls?agent={quote(name)}&limit={CALLS_SHOWN}"
    )
    return tuple(found)
