"""The host's HTTP API on its Unix socket; only the owner's processes reach it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from pydantic import ValidationError

from sutazai.fleet.desired import Desired
from sutazai.fleet.errors import BadInput
from sutazai.fleet.facts import Wake
from sutazai.fleet.status import UnitStatus
from sutazai.host.emergency import Emergency
from sutazai.host.events import Events
from sutazai.host.inspection import Inspection
from sutazai.host.instances.output import Log
from sutazai.host.isolation import Isolator
from sutazai.host.metrics import HostMetrics
from sutazai.host.telling import Telling
from sutazai.host.units.supervisor import Supervisor
from sutazai.wire import Request, Response, Router, json_response

LINES = 100
LINES_MAX = 10_000
TOGETHER = 0.1
"""Seconds of events that go out to a follower at once: in trouble there are many."""


class HostApi:
    """Routes requests to the supervisor; ``handler`` is what the HTTP server calls."""

    def __init__(
        self,
        supervisor: Supervisor,
        events: Events,
        *,
        isolator: Isolator,
        telling: Telling,
        emergency: Emergency,
        metrics: HostMetrics,
        inspection: Inspection,
    ) -> None:
        self._supervisor = supervisor
        self._events = events
        self._isolator = isolator
        self.handler = Router()
        self.handler.add("PUT", "/desired", self._desired)
        self.handler.add("GET", "/desired", self._revision)
        self.handler.add("GET", "/events", self._follow_events)
        self.handler.add("POST", "/units/{name}/wake", self._wake)
        self.handler.add("GET", "/units/{name}/log", self._log)
        telling.serve(self.handler)
        emergency.serve(self.handler)
        metrics.serve(self.handler)
        inspection.serve(self.handler)
        for verb in ("start", "stop", "restart"):
            self.handler.add("POST", f"/units/{{name}}/{verb}", self._change)

    async def _desired(self, request: Request) -> Response:
        try:
            desired = Desired.model_validate_json(await request.read())
        except ValidationError as error:
            raise BadInput(f"not a desired state: {error}") from error
        await asyncio.to_thread(self._isolator.expect, desired.units)
        self._supervisor.want(desired)
        return await self._revision(request)

    async def _revision(self, request: Request) -> Response:
        """Which state is desired: asked every two seconds, so it names no units."""
        return json_response({"revision": self._supervisor.desired.revision})

    async def _wake(self, request: Request) -> Response:
        unit = self._supervisor.unit(request.params["name"])
        return _model(Wake(endpoints=await unit.wake()))

    async def _change(self, request: Request) -> Response:
        """One that is to be restarted may be a single `instance`."""
        unit = self._supervisor.unit(request.params["name"])
        verb = request.path.rpartition("/")[2]
        if verb == "restart":
            unit.restart(request.query.get("instance"))
        else:
            {"start": unit.start, "stop": unit.stop}[verb]()
        return _model(unit.status())

    async def _log(self, request: Request) -> Response:
        log = self._supervisor.unit(request.params["name"]).log
        count = min(LINES_MAX, _number(request, "lines", LINES))
        lines = await asyncio.to_thread(log.last, count)
        text = "".join(f"{line}\n" for line in lines).encode()
        headers = [("content-type", "text/plain; charset=utf-8")]
        if request.query.get("follow") == "1":
            return Response(200, headers, _follow(log, text))
        return Response(200, headers, text)

    async def _follow_events(self, request: Request) -> Response:
        after = _number(request, "after", 0)
        headers = [("content-type", "application/x-ndjson")]
        if request.query.get("follow") == "1":
            return Response(200, headers, self._events_after(after))
        lines = [event.model_dump_json() + "\n" for event in self._events.after(after)]
        return Response(200, headers, "".join(lines).encode())

    async def _events_after(self, sequence: int) -> AsyncIterator[bytes]:
        while True:
            events = await self._events.wait_after(sequence)
            sequence = events[-1].sequence
            yield "".join(event.model_dump_json() + "\n" for event in events).encode()
            await asyncio.sleep(TOGETHER)


async def _follow(log: Log, beginning: bytes) -> AsyncIterator[bytes]:
    position = log.path.stat().st_size if log.path.exists() else 0
    if beginning:
        yield beginning
    while True:
        await log.written.wait()
        with contextlib.suppress(FileNotFoundError), log.path.open("rb") as file:
            if log.path.stat().st_size < position:
                position = 0  # it was rotated
            file.seek(position)
            more = file.read()
            position += len(more)
            yield more


def _number(request: Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not text.isdigit():
        raise BadInput(f"`{name}` is a whole number, not {text!r}")
    return int(text)


def _model(value: Wake | UnitStatus) -> Response:
    return Response(200, [("content-type", "application/json")], value.model_dump_json().encode())
