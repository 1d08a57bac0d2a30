"""Agents: how they do, starting and stopping them, their logs, and asking them."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from starlette.responses import Response

from sutazai.control.api.page import AgentPage, agent_page
from sutazai.control.api.parts import Parts, PartsDep
from sutazai.control.api.streams import (
    EVENT_STREAM,
    event_stream,
    handed_through,
    while_connected,
)
from sutazai.fleet.errors import SutazaiError, from_dict
from sutazai.fleet.status import AgentStatus, UnitStatus
from sutazai.fleet.work import Invocation, Result
from sutazai.tasks.calls import handed
from sutazai.tasks.checking import check_deadline
from sutazai.wire import ClientResponse, SseDecoder, Timeout, sse_event

GRACE = 5.0

router = APIRouter(prefix="/agents", tags=["agents"])


class Verb(StrEnum):
    """What can be done to an agent."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"


@router.get("")
async def list_agents(parts: PartsDep) -> list[AgentStatus]:
    """All agents."""
    return list((await parts.status.read()).agents)


@router.get("/{name}")
async def show(parts: PartsDep, name: str) -> AgentPage:
    """One agent: what is declared of it, why it is in its state, and what happened to it last."""
    return await agent_page(parts, name)


@router.get("/{name}/log", response_class=StreamingResponse)
async def log(
    parts: PartsDep,
    name: str,
    lines: Annotated[int, Query(ge=0, le=10_000)] = 100,
    follow: bool = False,
) -> StreamingResponse:
    """The last lines that the agent wrote; with `follow=1` also those to come."""
    parts.agent(name)
    target = f"/units/{name}/log?lines={lines}" + ("&follow=1" if follow else "")
    return handed_through(await parts.host.stream("GET", target), parts.stopping)


@router.post(
    "/{name}/invoke", response_model=Result, responses={200: {"content": {EVENT_STREAM: {}}}}
)
async def invoke(parts: PartsDep, name: str, invocation: Invocation, request: Request) -> Response:
    """Asks an agent and waits. With `Accept: text/event-stream` its progress comes as events
    `progress`, `token`, and in the end `result` or `error`."""
    parts.agent(name)
    check_deadline(invocation.deadline)
    accept = request.headers.get("accept", "application/json")
    asked = parts.gateway.stream(
        "POST",
        f"/agents/{name}/invoke",
        headers=[("content-type", "application/json"), ("accept", accept), *handed(invocation)],
        body=invocation.model_dump_json(by_alias=True, exclude_none=True).encode(),
        timeout=Timeout(headers=invocation.deadline + GRACE, idle=invocation.deadline + GRACE),
    )
    began = time.time()
    answer = await while_connected(request, asked)
    if answer is None:
        return Response(status_code=499)  # nobody is there to read it
    if answer.status == 200 and EVENT_STREAM in answer.headers.get("content-type", ""):
        return event_stream(_explained(parts, name, answer, began), parts.stopping)
    if answer.status >= 500:
        raise await _failure(parts, name, answer, began)
    return handed_through(answer, parts.stopping)


async def _explained(
    parts: Parts, name: str, answer: ClientResponse, began: float
) -> AsyncGenerator[bytes]:
    """The events of an agent's answer; an error among them with what is known of its cause."""
    decoder = SseDecoder()
    async with answer:
        async for piece in answer.stream():
            for event in decoder.feed(piece):
                data = event.data
                if event.event == "error":
                    error = from_dict(json.loads(data))
                    await parts.work.calls.explain(name, error, began)
                    data = json.dumps(error.as_dict(), ensure_ascii=False)
                yield sse_event(data, event.event)


async def _failure(parts: Parts, name: str, answer: ClientResponse, began: float) -> SutazaiError:
    """The error that an answer describes, with what is known of its cause."""
    async with answer:
        value = await answer.json()
    error = from_dict(value.get("error", {}) if isinstance(value, dict) else {})
    await parts.work.calls.explain(name, error, began)
    return error


@router.post("/{name}/{verb}")
async def change(parts: PartsDep, name: str, verb: Verb) -> UnitStatus:
    """Starts, stops or restarts an agent. A stopped one stays so until it is started."""
    parts.agent(name)
    status = await parts.reconciler.change(name, verb.value)
    done = {Verb.START: "started", Verb.STOP: "stopped", Verb.RESTART: "restarted"}[verb]
    await parts.feed.add(verb.value, f"{done} by request", unit=name)
    return status
