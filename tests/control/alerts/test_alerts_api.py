"""Alerts over the API of a real control."""

from __future__ import annotations

import time

import httpx


async def test_rules_and_objectives_are_shown(api: httpx.AsyncClient) -> None:
    rules = (await api.get("/api/v1/alerts/rules")).json()
    objectives = (await api.get("/api/v1/alerts/objectives")).json()

    names = {rule["name"] for rule in rules}
    assert {"llm-down", "memory-high", "crash-loop", "answered-burns-fast"} <= names
    assert [each["name"] for each in objectives] == ["answered"]
    assert (await api.get("/api/v1/alerts/notifications")).json() == []


async def test_silences_are_made_changed_and_ended(api: httpx.AsyncClient) -> None:
    wanted = {"matchers": {"alert": "llm-down"}, "until": time.time() + 600, "by": "ada"}
    made = await api.post("/api/v1/silences", json=wanted)
    assert made.status_code == 201
    path = f"/api/v1/silences/{made.json()['id']}"

    changed = await api.put(path, json={**wanted, "why": "new model"})
    listed = (await api.get("/api/v1/silences")).json()
    assert listed == [changed.json()]
    assert listed[0]["why"] == "new model"

    assert (await api.delete(path)).status_code == 200
    assert (await api.get("/api/v1/silences")).json() == []
    assert (await api.delete(path)).status_code == 404


async def test_what_cannot_be_is_refused(api: httpx.AsyncClient) -> None:
    until = time.time() + 600
    for wanted in (
        {"matchers": {}, "until": until},
        {"matchers": {"a b": "c"}, "until": until},
        {"matchers": {"a": "b"}, "until": 5},
        {"matchers": {"a": "b"}},
    ):
        assert (await api.post("/api/v1/silences", json=wanted)).status_code == 400
    nobody = await api.post("/api/v1/alerts/no-such/ack", json={"by": "ada"})
    assert nobody.status_code == 404
    assert nobody.json()["error"]["hint"] == "sutazai alerts list"


async def test_alerts_need_the_token_like_all_else(api: httpx.AsyncClient) -> None:
    for path in ("alerts", "silences"):
        answer = await api.get(f"/api/v1/{path}", headers={"authorization": ""})
        assert answer.status_code == 401
