"""The HTTP face of one instance: `/health` and `/invoke`, `/pressure` for the host, `/messages`
for the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator
from typing import Any

from sutazai.agent.base import Agent
from sutazai.agent.deliveries import Deliveries
from sutazai.agent.metrics import Metrics
from sutazai.agent.pressure import PRESSURE, Pressure, pressure_of
from sutazai.agent.task import PRIORITY, RUN, TASK, TOOLS, Report, TaskContext, report_to_nobody
from sutazai.agent.work import Workshop, task_of
from sutazai.fleet.errors import NotFound, SutazaiError
from sutazai.fleet.trace_ids import TRACEPARENT
from sutazai.wire import Request, Response, Router, error_response, json_response, sse_event

EVENTS_AHEAD = 64
"""How many events a slow reader may be behind before the agent waits for it."""
PAGE = 4096


class InstanceServer:
    """Answers for one agent; `handler` is what its HTTP server calls."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._workshop = Workshop(agent)
        self._started = time.monotonic()
        self.handler = Router()
        self.handler.add("GET", "/health", self._health)
        self.handler.add("POST", "/invoke", self._invoke)
        self.handler.add("POST", "/pressure", self._pressure)
        self.handler.add("POST", "/messages", Deliveries(agent, self._workshop).receive)

    async def _health(self, request: Request) -> Response:
        uptime = time.monotonic() - self._started
        return json_response(
            {
                "status": "healthy",
                "agent": self._agent.name,
                "version": self._agent.version,
                "uptime": round(uptime, 1),
                "memory_usage": _resident_bytes(),
                "cpu_usage": round(100 * time.process_time() / max(uptime, 0.001), 2),
                "instance": self._agent.instance,
                **self._load(),
                "done": self._workshop.done,
                "failed": self._workshop.failed,
                **self._own_metrics(),
            }
        )

    def _own_metrics(self) -> dict[str, Any]:
        """What the agent counts itself; nothing where it does not, or calls something else so."""
        own = vars(self._agent).get("metrics")
        return {"metrics": own.told()} if isinstance(own, Metrics) else {}

    def _load(self) -> dict[str, Any]:
        """What the host weighs an instance by."""
        return {
            "running": self._workshop.running,
            "serving": self._workshop.serving,
            "idle": round(self._workshop.idle, 1),
        }

    async def _pressure(self, request: Request) -> Response:
        """Tells the agent what is about to happen to it; answers when it is ready for that."""
        if PRESSURE not in request.headers:
            raise NotFound(f"no such thing: {request.path}")
        await self._prepare(pressure_of(await request.json()))
        return json_response(self._load())

    async def _prepare(self, pressure: Pressure) -> None:
        log = self._agent.log
        log.warning("memory is short (%s): %s", pressure.level, pressure.action)
        try:
            async with asyncio.timeout(pressure.seconds):
                await self._agent.on_pressure(pressure)
        except TimeoutError:
            log.warning("on_pressure() took longer than %g s", pressure.seconds)
        except Exception:  # the author's code may raise anything, and the end comes all the same
            log.exception("on_pressure() failed")

    async def _invoke(self, request: Request) -> Response:
        body = await request.json()
        if "text/event-stream" not in request.headers.get("accept", ""):
            return await self._answer(_task(request, body, report_to_nobody))
        events: asyncio.Queue[bytes] = asyncio.Queue(EVENTS_AHEAD)

        async def report(event: str, data: dict[str, Any]) -> None:
            await events.put(_event(event, data))

        stream = self._stream(_task(request, body, report), events)
        headers = [("content-type", "text/event-stream"), ("cache-control", "no-cache")]
        return Response(200, headers, stream)

    async def _answer(self, task: TaskContext) -> Response:
        """What came of one piece of work, and how its tools did, where it called any."""
        try:
            response = json_response(await self._workshop.run(task))
        except SutazaiError as error:
            response = error_response(error)
        if task.tool_calls:
            told = (TOOLS, f"{task.tool_calls} {task.tool_errors}")
            response.headers = [*response.headers, told]
        return response

    async def _stream(
        self, task: TaskContext, events: asyncio.Queue[bytes]
    ) -> AsyncIterator[bytes]:
        """The events of one piece of work; closing the stream cancels the work."""
        work = asyncio.create_task(self._workshop.run(task), name=f"work {task.id}")
        try:
            while not work.done() or not events.empty():
                if (event := await _next(events, work)) is not None:
                    yield event
            yield _outcome(work)
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError, SutazaiError):
                await work


def _task(request: Request, body: object, report: Report) -> TaskContext:
    """The piece of work that is asked for. The gateway gives each one its id."""
    task = task_of(body, report)
    task.id = request.headers.get(TASK) or task.id
    task.priority = request.headers.get(PRIORITY)
    task.run = request.headers.get(RUN)
    task.traceparent = request.headers.get(TRACEPARENT)
    return task


async def _next(events: asyncio.Queue[bytes], work: asyncio.Task[dict[str, Any]]) -> bytes | None:
    """The next event, or None when the work ended first."""
    if not events.empty():
        return events.get_nowait()
    getter = asyncio.ensure_future(events.get())
    try:
        await asyncio.wait({getter, work}, return_when=asyncio.FIRST_COMPLETED)
        return getter.result() if getter.done() else None
    finally:
        getter.cancel()


def _outcome(work: asyncio.Task[dict[str, Any]]) -> bytes:
    try:
        return _event("result", work.result())
    except SutazaiError as error:
        return _event("error", error.as_dict())


def _event(event: str, data: dict[str, Any]) -> bytes:
    return sse_event(json.dumps(data, ensure_ascii=False), event)


def _resident_bytes() -> int:
    # Without a file object, for its buffers and types are memory that instances would not share.
    statm = os.open("/proc/self/statm", os.O_RDONLY)
    try:
        return int(os.read(statm, PAGE).split()[1]) * PAGE
    finally:
        os.close(statm)
