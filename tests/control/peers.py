"""Fake peers of control on real sockets: host, gateway and keeper, as small as tests need them."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from sutazai.fleet.desired import Desired
from sutazai.fleet.errors import NotFound
from sutazai.fleet.routes import Routes
from sutazai.fleet.status import Event
from sutazai.wire import Headers, Request, Response, Router, Server, json_response, sse_event

Body = dict[str, Any]
Behaviour = Callable[[Body], Awaitable[Any]]


class FakePeer:
    """A server on a Unix socket that can be restarted with nothing in its memory."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._server: Server | None = None

    def router(self) -> Router:
        raise NotImplementedError

    async def start(self) -> None:
        self._server = Server(self.router())
        await self._server.listen_unix(self._socket, "peer")

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.close(grace=0.05)
            self._server = None


class FakeHost(FakePeer):
    """Takes what is desired and says that everything of it is healthy."""

    def __init__(self, socket: Path) -> None:
        super().__init__(socket)
        self.pushed: list[Desired] = []
        self.revision = 0
        self.changes: list[tuple[str, str]] = []
        self.events: list[Event] = []
        self.states: dict[str, str] = {}
        self._new = asyncio.Event()

    def router(self) -> Router:
        router = Router()
        router.add("PUT", "/desired", self._desired)
        router.add("GET", "/desired", self._revision)
        router.add("GET", "/status", self._status)
        router.add("GET", "/events", self._events)
        router.add("GET", "/units/{name}/log", self._log)
        for verb in ("start", "stop", "restart"):
            router.add("POST", f"/units/{{name}}/{verb}", self._change)
        return router

    def tell(self, message: str, *, sequence: int | None = None) -> None:
        number = sequence or len(self.events) + 1
        self.events.append(
            Event(
                sequence=number,
                at=1.0,
                source="host",
                kind="started",
                unit="planner",
                message=message,
            )
        )
        self._new.set()
        self._new = asyncio.Event()

    async def _desired(self, request: Request) -> Response:
        desired = Desired.model_validate(await request.json())
        self.pushed.append(desired)
        self.revision = max(self.revision, desired.revision)
        return json_response({})

    async def _revision(self, request: Request) -> Response:
        return json_response({"revision": self.revision})

    async def _status(self, request: Request) -> Response:
        units = [self._unit(name) for name in self._names()]
        return json_response(
            {"pid": 1, "revision": self.revision, "keeper": True, "units": units, "limits": "none"}
        )

    def _names(self) -> list[str]:
        return [unit.name for unit in self.pushed[-1].units] if self.pushed else []

    def _unit(self, name: str) -> Body:
        unit = next(unit for unit in self.pushed[-1].units if unit.name == name)
        instance = {
            "instance": f"{name}-1",
            "pid": 7,
            "state": "healthy",
            "since": 1.0,
            "version": unit.version,
            "pss": 1024,
        }
        return {
            "name": name,
            "version": unit.version,
            "kind": unit.kind,
            "runtime": unit.runtime,
            "temperature": unit.temperature,
            "state": self.states.get(name, "healthy"),
            "since": 1.0,
            "instances": [instance],
        }

    async def _change(self, request: Request) -> Response:
        name = request.params["name"]
        if name not in self._names():
            raise NotFound(f"there is no unit {name}")
        self.changes.append((name, request.path.rpartition("/")[2]))
        return json_response(self._unit(name))

    async def _log(self, request: Request) -> Response:
        async def lines() -> AsyncIterator[bytes]:
            yield f"last {request.query['lines']} lines\n".encode()
            if request.query.get("follow") == "1":
                await asyncio.sleep(60)

        return Response(200, [("content-type", "text/plain; charset=utf-8")], lines())

    async def _events(self, request: Request) -> Response:
        async def follow(after: int) -> AsyncIterator[bytes]:
            while True:
                new = self._new
                for event in self.events:
                    if event.sequence > after:
                        after = event.sequence
                        yield event.model_dump_json().encode() + b"\n"
                await new.wait()

        return Response(200, [], follow(int(request.query["after"])))


class FakeGateway(FakePeer):
    """Takes routes, counts nothing, and has agents that do what the test says."""

    def __init__(self, socket: Path) -> None:
        super().__init__(socket)
        self.pushed: list[Routes] = []
        self.revision = 0
        self.agents: dict[str, Behaviour] = {}
        self.calls: list[tuple[str, Body]] = []
        self.left: list[str] = []
        self.headers: list[Headers] = []
        self.arms: Body = {"incarnation": "a"}
        self.looks = 0

    def router(self) -> Router:
        router = Router()
        router.add("PUT", "/routes", self._routes)
        router.add("GET", "/stats", self._stats)
        router.add("GET", "/models", self._models)
        router.add("GET", "/arms", self._arms)
        router.add("POST", "/agents/{name}/invoke", self._invoke)
        return router

    async def _routes(self, request: Request) -> Response:
        routes = Routes.model_validate(await request.json())
        self.pushed.append(routes)
        self.revision = max(self.revision, routes.revision)
        return json_response({})

    async def _stats(self, request: Request) -> Response:
        self.looks += 1
        backend = {
            "name": "embedded",
            "available": True,
            "reason": "",
            "slots": 2,
            "running": 1,
            "models": ["smol"],
        }
        counts = ("done", "failed", "rejected", "expired", "cancelled", "tokens_in", "tokens_out")
        return json_response(
            {
                "backends": [backend],
                "queued": {"high": 1, "medium": 2, "low": 0},
                "running": 1,
                "oldest_wait": 0.0,
                **dict.fromkeys(counts, 0),
                "uptime": 1.0,
                "incarnation": "a",
                "revision": self.revision,
                "problems": ["a door could not be opened"],
            }
        )

    async def _arms(self, request: Request) -> Response:
        return json_response(self.arms)

    async def _models(self, request: Request) -> Response:
        return json_response([{"name": "smol", "tier": False, "backends": ["embedded"]}])

    async def _invoke(self, request: Request) -> Response:
        name = request.params["name"]
        body = await request.json()
        self.calls.append((name, body))
        self.headers.append(request.headers)
        if request.headers.get("accept") == "text/event-stream":
            return Response(200, [("content-type", "text/event-stream")], self._tokens())
        try:
            output = await self.agents[name](body)
        except asyncio.CancelledError:
            self.left.append(name)
            raise
        return json_response({"output": output, "agent": name, "instance": f"{name}-1"})

    async def _tokens(self) -> AsyncIterator[bytes]:
        for word in ("one ", "two"):
            yield sse_event(json.dumps({"text": word}), "token")
        result = {"output": "one two", "agent": "planner", "instance": "planner-1"}
        yield sse_event(json.dumps(result), "result")


class FakeKeeper:
    """Holds control's listening socket, and hands it out again and again."""

    def __init__(self, path: Path, port: int) -> None:
        self._held = {"control": socket.create_server(("127.0.0.1", port))}
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve, name="fake keeper")
        self._thread.start()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for held in (self._socket, *self._held.values()):
            held.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        wanted = json.loads(connection.makefile("rb").readline())["listeners"]
        found = [self._held[spec["name"]] for spec in wanted]
        ports = [listener.getsockname()[1] for listener in found]
        reply = json.dumps({"ok": True, "ports": ports}).encode() + b"\n"
        socket.send_fds(connection, [reply], [listener.fileno() for listener in found])
