"""Instances of agents, and the host that wakes them: real servers on Unix sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from sutazai.fleet.errors import PeerClosed, SutazaiError
from sutazai.fleet.facts import Endpoint, Wake
from sutazai.wire import (
    Headers,
    Request,
    Response,
    Router,
    Server,
    error_response,
    json_response,
    sse_event,
)


@dataclass
class FakeInstance:
    """One instance that says who it is, and ``tells`` by headers of its answers what else it is
    told to. Use as ``async with``."""

    folder: Path
    agent: str = "planner"
    number: int = 1
    hold: asyncio.Event | None = None
    tells: tuple[tuple[str, str], ...] = ()
    headers: list[Headers] = field(default_factory=list)
    running: int = 0
    left: int = 0

    @property
    def name(self) -> str:
        return f"{self.agent}-{self.number}"

    @property
    def endpoint(self) -> Endpoint:
        address = f"unix:{self.folder / self.name}.sock"
        return Endpoint(agent=self.agent, instance=self.name, address=address)

    async def __aenter__(self) -> Self:
        router = Router()
        router.add("GET", "/health", self._health)
        router.add("POST", "/invoke", self._invoke)
        router.add("POST", "/events", self._events)
        router.add("POST", "/cut", self._cut)
        router.add("POST", "/upload", self._upload)
        router.add("ANY", "/{rest...}", self._anything)
        self._server = Server(router)
        await self._server.listen_unix(self.folder / f"{self.name}.sock", "instance")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        await self._server.close(grace=0)

    async def _health(self, request: Request) -> Response:
        return json_response({"status": "healthy", "agent": self.agent, "instance": self.name})

    async def _invoke(self, request: Request) -> Response:
        self.headers.append(request.headers)
        self.running += 1
        try:
            body = await request.json()
            if self.hold is not None:
                await self.hold.wait()
            answer = {"output": body["input"], "instance": self.name}
            return json_response(answer, headers=self.tells)
        except asyncio.CancelledError:
            self.left += 1
            raise
        finally:
            self.running -= 1

    async def _events(self, request: Request) -> Response:
        how = await request.json()

        async def events() -> AsyncIterator[bytes]:
            for number in range(how["before"]):
                yield sse_event(json.dumps({"n": number}), event="progress")
            if how.get("cut"):
                yield b"event: progress\ndata: {"
                raise PeerClosed("as told")
            if self.hold is not None:
                await self.hold.wait()
            yield sse_event("{}", event="result")

        return Response(200, [("content-type", "text/event-stream")], events())

    async def _cut(self, request: Request) -> Response:
        """Breaks off in the midst, before or after the head."""
        how = await request.json()

        async def half() -> AsyncIterator[bytes]:
            yield b"half"
            raise PeerClosed("as told")

        length = [("content-length", "100")] if how.get("length") else []
        return Response(200, [("x-kept", "yes"), *length], half())

    async def _upload(self, request: Request) -> Response:
        size = 0
        async for piece in request.stream():
            size += len(piece)
        return json_response({"size": size, "instance": self.name})

    async def _anything(self, request: Request) -> Response:
        return json_response({"method": request.method, "target": request.target}, 202)


@dataclass
class FakeHost:
    """The host's side of waking. ``wakes`` gives what each agent wakes to."""

    socket: Path
    wakes: dict[str, tuple[Endpoint, ...] | SutazaiError] = field(default_factory=dict)
    hold: asyncio.Event | None = None
    asked: list[str] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        router = Router()
        router.add("POST", "/units/{name}/wake", self._wake)
        self._server = Server(router)
        await self._server.listen_unix(self.socket, "host")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close(grace=0)

    async def _wake(self, request: Request) -> Response:
        name = request.params["name"]
        self.asked.append(name)
        if self.hold is not None:
            await self.hold.wait()
        found: Any = self.wakes.get(name, ())
        if isinstance(found, SutazaiError):
            return error_response(found)
        return json_response(Wake(endpoints=found).model_dump(mode="json"))
