"""Messages over the API: what the gateway tells is handed on, and what it refuses is an error."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sutazai.fleet.places import Places
from sutazai.wire import Request, Response, Router, json_response
from tests.control.peers import FakeGateway

LETTER = {"id": "planner/1", "to": "executor", "reason": "expired"}


class Gateway(FakeGateway):
    """Has one dead letter, and refuses messages for who is not there."""

    def __init__(self, socket: Path) -> None:
        super().__init__(socket)
        self.heard: list[tuple[str, Any]] = []

    def router(self) -> Router:
        router = super().router()
        router.add("GET", "/messages", self._overview)
        router.add("GET", "/messages/inbox/{name}", self._list)
        router.add("GET", "/messages/dead", self._list)
        router.add("POST", "/messages", self._send)
        router.add("POST", "/messages/{verb}", self._change)
        return router

    async def _overview(self, request: Request) -> Response:
        return json_response({"broker": "embedded", "inboxes": [], "dead_letters": 1})

    async def _list(self, request: Request) -> Response:
        self.heard.append((request.path, dict(request.query)))
        return json_response([LETTER])

    async def _send(self, request: Request) -> Response:
        (message,) = (await request.json())["messages"]
        self.heard.append((request.path, message))
        if message["to"] == "nobody":
            error = {"code": "NotFound", "message": "there is no agent 'nobody'"}
            return json_response({"refused": {"0": error}})
        return json_response({} if message["to"] else {"reached": {"0": ["planner"]}})

    async def _change(self, request: Request) -> Response:
        self.heard.append((request.path, await request.json()))
        return json_response({"replayed": ["planner/1+a"], "dropped": 1})


@pytest.fixture
async def gateway(places: Places) -> AsyncIterator[Gateway]:
    gateway = Gateway(places.gateway_socket)
    await gateway.start()
    yield gateway
    await gateway.stop()


async def test_inboxes_and_dead_letters_are_told(api: httpx.AsyncClient, gateway: Gateway) -> None:
    assert (await api.get("/api/v1/messages")).json()["dead_letters"] == 1
    assert (await api.get("/api/v1/messages/inbox/planner")).json() == [LETTER]
    assert (await api.get("/api/v1/messages/inbox/nobody")).status_code == 404
    assert (await api.get("/api/v1/messages/dead?to=executor&limit=5")).json() == [LETTER]
    assert gateway.heard[-1] == ("/messages/dead", {"to": "executor", "limit": "5"})


async def test_dead_letters_are_replayed_and_dropped(
    api: httpx.AsyncClient, gateway: Gateway
) -> None:
    done = await api.post("/api/v1/messages/replay", json={"reason": "expired"})
    assert done.json()["replayed"] == ["planner/1+a"]
    assert (await api.post("/api/v1/messages/drop", json={"ids": ["planner/1"]})).json()[
        "dropped"
    ] == 1
    assert gateway.heard == [
        ("/messages/replay", {"ids": [], "reason": "expired"}),
        ("/messages/drop", {"ids": ["planner/1"]}),
    ]


async def test_a_message_is_sent_by_hand(api: httpx.AsyncClient, gateway: Gateway) -> None:
    sent = await api.post(
        "/api/v1/messages", json={"to": "planner", "type": "x", "body": [1], "id": "7"}
    )
    assert sent.json() == {"id": "7", "reached": ["planner"]}
    assert gateway.heard[-1][1]["body"] == [1]
    sent = await api.post("/api/v1/messages", json={"topic": "orders", "type": "x"})
    assert sent.json()["reached"] == ["planner"]
    refused = await api.post("/api/v1/messages", json={"to": "nobody", "type": "x"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "NotFound")
