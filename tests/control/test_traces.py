"""The trace of a task at control's API, also where the gateway cannot be asked."""

from __future__ import annotations

import httpx


async def test_a_task_that_waits_is_told_though_its_calls_cannot_be_had(
    api: httpx.AsyncClient,
) -> None:
    given = await api.post(
        "/api/v1/tasks",
        json={"agent": "planner", "input": "x", "delay": 600, "idempotency_key": "mine"},
    )

    trace = (await api.get("/api/v1/tasks/mine/trace")).json()

    assert trace["name"] == given.json()["id"]
    assert [span["name"] for span in trace["spans"]] == ["waits"]
    assert trace["ended"] is None and "calls to models cannot be had" in trace["note"]
    assert (await api.get("/api/v1/tasks/nobody/trace")).status_code == 404
