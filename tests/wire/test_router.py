"""Paths and methods find their handlers."""

from __future__ import annotations

import json

import pytest

from sutazai.fleet.errors import Conflict
from sutazai.wire import Headers, Request, Response, Router, json_response
from sutazai.wire.inbound import EMPTY


def request(method: str, target: str) -> Request:
    return Request(method, target, Headers(), EMPTY, 0)


def named(name: str):  # type: ignore[no-untyped-def]
    async def handler(request: Request) -> Response:
        return json_response([name, request.params])

    return handler


@pytest.fixture
def router() -> Router:
    router = Router()
    for method, pattern in (
        ("GET", "/"), ("GET", "/agents"), ("GET", "/agents/{name}"), ("POST", "/agents/{name}"),
        ("GET", "/agents/new"), ("GET", "/agents/{name}/log"), ("POST", "/agents/new/{verb}"),
        ("ANY", "/files/{agent}/{rest...}"), ("DELETE", "/files/{agent}/{rest...}"),
        ("GET", "/files/{agent}/index"), ("ANY", "/all"),
    ):  # fmt: skip
        router.add(method, pattern, named(f"{method} {pattern}"))
    return router


@pytest.mark.parametrize(
    ("asked", "chosen", "params"),
    [
        ("GET /", "GET /", {}),
        ("GET /?a=/agents", "GET /", {}),
        ("GET /agents", "GET /agents", {}),
        ("HEAD /agents", "GET /agents", {}),
        ("GET /agents/planner", "GET /agents/{name}", {"name": "planner"}),
        ("POST /agents/planner", "POST /agents/{name}", {"name": "planner"}),
        ("GET /agents/new", "GET /agents/new", {}),
        ("GET /agents/new/log", "GET /agents/{name}/log", {"name": "new"}),
        ("POST /agents/new/start", "POST /agents/new/{verb}", {"verb": "start"}),
        ("GET /agents/a%20b%2Fc", "GET /agents/{name}", {"name": "a b/c"}),
        ("PUT /files/a/", "ANY /files/{agent}/{rest...}", {"agent": "a", "rest": ""}),
        ("GET /files/a//c%2F?x=1", "ANY /files/{agent}/{rest...}", {"agent": "a", "rest": "/c%2F"}),
        ("DELETE /files/a/b", "DELETE /files/{agent}/{rest...}", {"agent": "a", "rest": "b"}),
        ("GET /files/a/index", "GET /files/{agent}/index", {"agent": "a"}),
        ("GET /files/a/index/b", "ANY /files/{agent}/{rest...}", {"agent": "a", "rest": "index/b"}),
        ("PATCH /all", "ANY /all", {}),
    ],
)  # fmt: skip
async def test_the_nearest_pattern_wins(
    router: Router, asked: str, chosen: str, params: dict[str, str]
) -> None:
    method, target = asked.split(" ")
    response = await router(request(method, target))
    assert isinstance(response.body, bytes)
    assert json.loads(response.body) == [chosen, params]


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("GET /nothing", 404), ("GET /agents/", 404), ("GET //", 404), ("GET /agents/a/log/x", 404),
        ("GET /files/a", 404), ("GET /Agents", 404), ("OPTIONS *", 404), ("GET /files//x", 404),
        ("DELETE /agents", 405), ("HEAD /agents/new/start", 405), ("PUT /agents/a", 405),
    ],
)  # fmt: skip
async def test_what_is_not_served_is_said_in_json(router: Router, asked: str, status: int) -> None:
    method, target = asked.split(" ")
    response = await router(request(method, target))
    assert response.status == status
    assert isinstance(response.body, bytes)
    assert set(json.loads(response.body)) == {"error"}


async def test_a_handlers_error_becomes_its_answer() -> None:
    async def failing(request: Request) -> Response:
        raise Conflict("not now")

    router = Router()
    router.add("GET", "/", failing)
    assert (await router(request("GET", "/"))).status == 409


@pytest.mark.parametrize("pattern", ["", "agents", "/{rest...}/x", "/agents/{name}"])
def test_a_pattern_that_means_nothing_is_refused(router: Router, pattern: str) -> None:
    with pytest.raises(ValueError):
        router.add("GET", pattern, named("x"))
