"""What agents ask of control goes through the gateway, which says who asks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sutazai.fleet.routes import Key
from sutazai.wire import Request, Response, Router, Server, json_response
from tests.gateway.house import House

KEYS = (Key(name="old", secret="old-key", agent=True), Key(name="person", secret="p-key"))


class FakeControl:
    """Remembers what it is asked, and answers as it is told."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str | None, Any]] = []
        self.answer = json_response({"status": "ok"})
        router = Router()
        router.add("ANY", "/{rest...}", self._take)
        self.server = Server(router)

    async def _take(self, request: Request) -> Response:
        body = await request.read()
        token = request.headers.get("authorization")
        self.asked.append(
            (request.method, request.target, token, json.loads(body) if body else None)
        )
        return self.answer


@pytest.fixture
async def control(house: House) -> AsyncIterator[FakeControl]:
    control = FakeControl()
    port = await control.server.listen_tcp("127.0.0.1", 0, "control")
    places = house.places
    places.state.mkdir(parents=True, exist_ok=True)
    places.config.write_text(json.dumps({"ports": {"host": "127.0.0.1", "control": port}}))
    places.token.write_text("admin\n")
    await house.start(keys=KEYS)
    yield control
    await control.server.close(0.2)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/api/agents/register", "register"),
        ("/api/agents/heartbeat", "heartbeat"),
        ("/api/tasks/complete", "complete"),
        ("/tasks", "tasks"),
    ],
)
async def test_the_key_in_the_path_says_who_asks(
    house: House, control: FakeControl, path: str, target: str
) -> None:
    reply = await house.post(f"/key/old-key{path}", {"agent_name": "somebody else"})
    assert (reply.status, reply.json) == (200, {"status": "ok"})
    assert control.asked == [
        ("POST", f"/api/v1/from/old/{target}", "Bearer admin", {"agent_name": "somebody else"})
    ]


async def test_answers_come_back_as_they_are(house: House, control: FakeControl) -> None:
    control.answer = Response(204)
    reply = await house.get("/key/old-key/api/tasks/next/a%2Fb")
    assert (reply.status, reply.data) == (204, b"")
    assert control.asked[0][1] == "/api/v1/from/old/next/a%2Fb"
    control.answer = json_response({"error": {"code": "Conflict"}}, 409)
    late = await house.post("/key/old-key/api/tasks/complete", {"task_id": "x.1"})
    assert (late.status, late.json["error"]["code"]) == (409, "Conflict")


async def test_only_agents_are_let_through(house: House, control: FakeControl) -> None:
    assert (await house.post("/api/agents/register", {})).status == 401
    assert (await house.post("/key/wrong/api/agents/register", {})).status == 401
    assert (await house.post("/key/p-key/api/agents/register", {})).status == 403
    assert control.asked == []


async def test_the_probe_answers_whatever_control_does(house: House) -> None:
    await house.start(keys=KEYS)
    assert (await house.get("/key/old-key/health")).json == {"status": "healthy"}
    away = await house.post("/key/old-key/api/agents/register", {})
    assert (away.status, away.json["error"]["code"]) == (503, "Unavailable")
