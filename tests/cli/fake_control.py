"""A control that answers what a test tells it to, in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Self

from sutazai.fleet.errors import NotFound, SutazaiError, Unauthenticated
from sutazai.wire import Request, Response, Server, error_response, json_response, sse_event

TOKEN = "secret"

Answer = Callable[[Request, Any], Response]


@dataclass(frozen=True)
class Asked:
    """One request as it came: ``value`` is its JSON body, or None."""

    method: str
    path: str
    query: dict[str, str]
    value: Any
    accept: str


@dataclass
class FakeControl:
    """Serves ``answers`` by "METHOD /path" (below /api/v1) and remembers what it was ``asked``."""

    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    port: int = 0

    def json(self, route: str, value: Any) -> None:
        """Answer ``route`` with JSON."""
        self.answers[route] = lambda _request, _value: json_response(value)

    def refuse(self, route: str, error: SutazaiError) -> None:
        self.answers[route] = lambda _request, _value: error_response(error)

    def text(self, route: str, *pieces: str) -> None:
        self.answers[route] = lambda _request, _value: Response(
            200, [("content-type", "text/plain")], _pieces([piece.encode() for piece in pieces])
        )

    def events(self, route: str, *events: tuple[str, Any], endless: bool = False) -> None:
        """Answer ``route`` with server-sent events (name, value)."""
        encoded = [sse_event(json.dumps(value), event=name) for name, value in events]
        self.answers[route] = lambda _request, _value: Response(
            200, [("content-type", "text/event-stream")], _pieces(encoded, endless=endless)
        )

    def __enter__(self) -> Self:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fake control")
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = Server(self._handle)
        self.port = await server.listen_tcp("127.0.0.1", 0, "control")
        self._ready.set()
        await self._stop.wait()
        await server.close(grace=0.1)

    async def _handle(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return error_response(Unauthenticated("wrong token"))
        body = await request.read()
        value = json.loads(body) if body else None
        path = request.path.removeprefix("/api/v1")
        accept = request.headers.get("accept", "")
        self.asked.append(Asked(request.method, path, dict(request.query), value, accept))
        answer = self.answers.get(f"{request.method} {path}")
        if answer is None:
            return error_response(NotFound(f"no such thing: {path}"))
        return answer(request, value)


async def _pieces(pieces: list[bytes], *, endless: bool = False) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
        await asyncio.sleep(0)
    if endless:
        await asyncio.get_running_loop().create_future()
