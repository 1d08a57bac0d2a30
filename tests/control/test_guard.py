"""Only this machine, by its own name, with the token, gets in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx


async def refused(api: httpx.AsyncClient, **headers: str) -> tuple[int, str]:
    answer = await api.get("/api/v1/tasks", headers=headers)
    return answer.status_code, answer.json()["error"]["code"]


async def test_without_the_token_there_is_nothing_but_a_sign_of_life(
    api: httpx.AsyncClient,
) -> None:
    async with httpx.AsyncClient(base_url=api.base_url) as stranger:
        assert (await stranger.get("/health")).json() == {"status": "healthy"}
        assert (await stranger.get("/")).json()["name"] == "SutazAI control"
        for path in ("/api/v1/tasks", "/api/v1/openapi.json", "/api/v1/nothing", "/nothing"):
            assert (await stranger.get(path)).status_code == 401
        answer = await stranger.post("/api/v1/tasks", json={"agent": "planner", "input": 1})
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "Unauthenticated"


async def test_a_wrong_token_is_refused(api: httpx.AsyncClient) -> None:
    for token in ("Bearer wrong", "Bearer", "Basic the-admin-token", "x"):
        assert await refused(api, authorization=token) == (401, "Unauthenticated")


async def test_another_name_or_page_is_refused_even_with_the_token(api: httpx.AsyncClient) -> None:
    for host in ("evil.example", "evil.example:10010", "10.0.0.1", ""):
        assert await refused(api, host=host) == (403, "Refused")
    for origin in ("http://evil.example", "null", "http://127.0.0.1.evil.example"):
        assert await refused(api, origin=origin) == (403, "Refused")
    for name in ("localhost", "127.0.0.1", "[::1]"):
        headers = {"host": f"{name}:10010", "origin": f"http://{name}:10011"}
        assert (await api.get("/api/v1/tasks", headers=headers)).status_code == 200


async def test_a_body_that_is_too_large_is_refused(api: httpx.AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 100_000

    for content in (b" " * 2_000_000, pieces()):
        answer = await api.post(
            "/api/v1/tasks", content=content, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "BodyTooLarge"


async def test_every_refusal_has_the_one_form(api: httpx.AsyncClient) -> None:
    cases = [
        ("GET", "/api/v1/nothing", None, 404, "NotFound"),
        ("DELETE", "/api/v1/tasks", None, 405, "BadInput"),
        ("POST", "/api/v1/tasks", b"{", 400, "BadInput"),
        ("POST", "/api/v1/tasks", b'{"agent": "planner"}', 400, "BadInput"),
        ("POST", "/api/v1/tasks", b'{"agent": "nobody", "input": 1}', 404, "NotFound"),
        ("GET", "/api/v1/tasks?limit=0", None, 400, "BadInput"),
        ("GET", "/api/v1/tasks/task-x", None, 404, "NotFound"),
        ("GET", "/api/v1/runs/run-x/events", None, 404, "NotFound"),
        ("POST", "/api/v1/runs", b"{}", 400, "BadInput"),
        ("POST", "/api/v1/agents/nobody/stop", None, 404, "NotFound"),
        ("POST", "/api/v1/agents/planner/explode", None, 400, "BadInput"),
    ]
    for method, path, content, status, code in cases:
        headers = {"content-type": "application/json"}
        answer = await api.request(method, path, content=content, headers=headers)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (status, code), path
        assert error["message"]
