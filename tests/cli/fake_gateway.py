"""A gateway that answers on its own socket what a test tells it to, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import Any, Self

from sutazai.fleet.errors import NotFound
from sutazai.fleet.places import Places
from sutazai.wire import Request, Response, Server, error_response, json_response


@dataclass
class FakeGateway:
    """Serves ``answers`` by "METHOD /path" and remembers what it was ``asked``, with its query."""

    places: Places
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.places.runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fake gateway")
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
        await server.listen_unix(self.places.gateway_socket, "api")
        self._ready.set()
        await self._stop.wait()
        await server.close(grace=0.1)

    async def _handle(self, request: Request) -> Response:
        route = f"{request.method} {request.path}"
        self.asked.append((route, dict(request.query)))
        answer = self.answers.get(route, NotFound(f"there is no {request.path}"))
        if isinstance(answer, NotFound):
            return error_response(answer)
        return answer if isinstance(answer, Response) else json_response(answer)
