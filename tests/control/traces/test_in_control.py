"""Control sends traces where the fleet file names a collector, and tells agents of their span."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from sutazai.fleet.observing import Tracing
from sutazai.fleet.places import Places
from sutazai.fleet.span_ids import attempt_span
from sutazai.fleet.trace_ids import TRACEPARENT, trace_id
from sutazai.wire import Request, Response, Router, json_response
from tests.control.conftest import TOKEN, eventually, running_control, small_fleet, write_state
from tests.control.peers import Body, FakeGateway, FakeHost
from tests.control.traces.test_exporting import Collector
from tests.observe.traces.collector import spans_of
from tests.ports import free_port


class Recording(FakeGateway):
    """A gateway with a record of calls, which is empty."""

    def router(self) -> Router:
        router = super().router()
        router.add("GET", "/calls", self._calls)
        return router

    async def _calls(self, request: Request) -> Response:
        return json_response([])


@pytest.fixture
async def recording(places: Places) -> AsyncIterator[FakeGateway]:
    gateway = Recording(places.gateway_socket)
    await gateway.start()
    yield gateway
    await gateway.stop()


async def answer(body: Body) -> Body:
    return {"output": "done", "agent": "planner", "instance": "planner-1"}


async def test_a_task_goes_to_the_agent_and_to_the_collector_under_one_id(
    places: Places, host: FakeHost, recording: FakeGateway
) -> None:
    collector = Collector()
    tracing = Tracing(otlp=str(collector.address))
    write_state(places, small_fleet(tracing=tracing), free_port())
    recording.agents["planner"] = answer
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with collector.running(), running_control(places, every=0.05) as (parts, url):
        await eventually(lambda: host.pushed and recording.pushed)
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
            given = {"agent": "planner", "input": "x"}
            task = (await client.post("/api/v1/tasks", json=given)).json()["id"]
            await eventually(lambda: parts.exporter and parts.exporter.counts == (1, 0))
            told = (await client.get("/metrics")).text

    parent = f"00-{trace_id(task)}-{attempt_span(task, 1)}-01"
    assert recording.headers[-1].get(TRACEPARENT) == parent
    spans = {span["spanId"]: span for _, span in spans_of(collector.requests[0])}
    assert spans[attempt_span(task, 1)]["traceId"] == trace_id(task)
    assert "sutazai_traces_sent_total 1" in told and "sutazai_traces_dropped_total 0" in told


async def test_without_a_collector_nobody_is_told_of_anything(
    places: Places, host: FakeHost, gateway: FakeGateway
) -> None:
    gateway.agents["planner"] = answer
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with running_control(places, every=0.05) as (parts, url):
        await eventually(lambda: host.pushed and gateway.pushed)
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
            await client.post("/api/v1/tasks", json={"agent": "planner", "input": "x"})
            await eventually(lambda: gateway.headers)
            told = (await client.get("/metrics")).text

    assert parts.exporter is None and not places.traces.exists()
    assert TRACEPARENT not in gateway.headers[-1]
    assert not any(line.startswith("sutazai_traces_") for line in told.splitlines())
