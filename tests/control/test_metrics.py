"""Metrics and history at control's API, with peers that answer and peers that do not."""

from __future__ import annotations

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.control.conftest import TOKEN
from tests.control.peers import FakeGateway, FakeHost


async def test_control_tells_of_work_and_of_itself(api: httpx.AsyncClient) -> None:
    await api.post("/api/v1/tasks", json={"agent": "planner", "input": "x", "delay": 600})

    answer = await api.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    told = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert told["sutazai_tasks", "waiting"] == 1
    assert told["sutazai_tasks_oldest_wait_seconds",] == 0
    assert told["sutazai_database_up",] == 1
    assert told["sutazai_process_resident_memory_bytes", "control"] > 0


async def test_a_peer_that_is_gone_is_unavailable(
    api: httpx.AsyncClient, host: FakeHost, gateway: FakeGateway
) -> None:
    await host.stop()
    await gateway.stop()

    for path in ("/metrics/host", "/metrics/gateway"):
        answer = await api.get(path)
        assert answer.status_code == 503, answer.text
    assert (await api.get("/metrics")).status_code == 200


async def test_prometheus_is_told_where_to_ask(api: httpx.AsyncClient) -> None:
    found = (await api.get("/api/v1/prometheus/targets")).json()

    assert [target["labels"]["__metrics_path__"] for target in found] == [
        "/metrics",
        "/metrics/host",
        "/metrics/gateway",
    ]
    assert len({target["labels"]["job"] for target in found}) == 3


async def test_only_who_has_the_token_reads_metrics(api: httpx.AsyncClient) -> None:
    for path in ("/metrics", "/metrics/host", "/api/v1/history?name=x"):
        wrong = await api.get(path, headers={"authorization": f"Bearer {TOKEN}x"})
        assert wrong.status_code == 401


async def test_a_history_of_nothing_is_empty_and_bad_labels_are_said(
    api: httpx.AsyncClient,
) -> None:
    assert (await api.get("/api/v1/history", params={"name": "no-such"})).json() == []
    bad = await api.get("/api/v1/history", params={"name": "x", "labels": "agent=planner"})
    assert bad.status_code == 400 and "no labels" in bad.text
