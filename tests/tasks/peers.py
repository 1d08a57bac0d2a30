"""A fake gateway and a fake host on real sockets, as small as tests need them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from sutazai.fleet.status import Exit
from sutazai.wire import Headers, Request, Response, Router, Server, json_response

Body = dict[str, Any]
Behaviour = Callable[[Body], Awaitable[Any]]


class FakeGateway:
    """Answers `/agents/NAME/invoke` with what the agent's behaviour gives; remembers each call."""

    def __init__(self) -> None:
        self.agents: dict[str, Behaviour] = {}
        self.calls: list[tuple[str, Body]] = []
        self.headers: list[Headers] = []
        router = Router()
        router.add("POST", "/agents/{name}/invoke", self._invoke)
        self._server = Server(router)

    async def listen(self, socket: Path) -> None:
        await self._server.listen_unix(socket, "gateway")

    async def close(self) -> None:
        await self._server.close(grace=0.1)

    def asked(self, agent: str) -> list[Body]:
        """The invocations of one agent, in order."""
        return [body for name, body in self.calls if name == agent]

    async def _invoke(self, request: Request) -> Response:
        name = request.params["name"]
        body = await request.json()
        self.calls.append((name, body))
        self.headers.append(request.headers)
        output = await self.agents[name](body)
        answer = {"output": output, "agent": name, "instance": f"{name}.0"}
        return Response(200, [("content-type", "application/json")], json.dumps(answer).encode())


class FakeHost:
    """Answers `/status` and `/units/NAME/log`."""

    def __init__(self) -> None:
        self.exits: dict[str, Exit] = {}
        self.lines: dict[str, list[str]] = {}
        self.restarted: list[str] = []
        router = Router()
        router.add("GET", "/status", self._status)
        router.add("GET", "/units/{name}/log", self._log)
        router.add("POST", "/units/{name}/restart", self._restart)
        self._server = Server(router)

    async def listen(self, socket: Path) -> None:
        await self._server.listen_unix(socket, "host")

    async def close(self) -> None:
        await self._server.close(grace=0.1)

    async def _status(self, request: Request) -> Response:
        units = [
            {
                "name": name,
                "kind": "agent",
                "runtime": "python",
                "temperature": "hot",
                "state": "healthy",
                "since": 1.0,
                "last_exit": found.model_dump(mode="json"),
            }
            for name, found in self.exits.items()
        ]
        status = {"pid": 1, "revision": 1, "keeper": True, "units": units, "limits": "accounting"}
        return json_response(status)

    async def _restart(self, request: Request) -> Response:
        self.restarted.append(request.params["name"])
        return json_response({})

    async def _log(self, request: Request) -> Response:
        lines = self.lines.get(request.params["name"], [])
        return Response(200, [("content-type", "text/plain")], "\n".join(lines).encode())


def plan_answer(*titles: str) -> str:
    """What a good planner writes."""
    return json.dumps({"items": [{"title": title, "detail": f"Do {title}."} for title in titles]})
