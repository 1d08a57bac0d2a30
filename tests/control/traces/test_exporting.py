"""Traces on their way to a collector: a real server that checks what it gets, and is often away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from sutazai.control.feed import EventFeed
from sutazai.control.peers import GatewayPeer
from sutazai.control.traces.exporting import Ends, Exporter
from sutazai.fleet.observing import Tracing
from sutazai.fleet.trace_ids import trace_id
from sutazai.observe.traces.otlp import Sender
from sutazai.observe.traces.sending import KEEP, Mark
from sutazai.store import Database, Events
from sutazai.wire import Address, Client, Request, Response, Router, Server, json_response
from tests.control.conftest import eventually
from tests.observe.traces.collector import attributes, check_request, spans_of
from tests.ports import free_port
from tests.store.conftest import database
from tests.store.queueing import Queue, done, failed

__all__ = ["database"]

CALL = {
    "at": 102.5,
    "caller": "planner",
    "model": "tiny",
    "backend": "ollama",
    "outcome": "done",
    "queued": 1.0,
    "first_token": 2.0,
    "total": 5.0,
}


@dataclass
class Collector:
    """Takes traces on a port of its own; answers with the next of ``answers``, else 200."""

    port: int = field(default_factory=free_port)
    answers: list[Response] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)

    @property
    def address(self) -> Address:
        return Address.parse(f"http://127.0.0.1:{self.port}/behind")

    @property
    def traces(self) -> list[str]:
        """Those that it has got, in the order of their tasks' ends."""
        spans = [span for body in self.requests for _, span in spans_of(body)]
        return [span["traceId"] for span in spans if "parentSpanId" not in span]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        router = Router()
        router.add("POST", "/behind/v1/traces", self._take)
        server = Server(router)
        await server.listen_tcp("127.0.0.1", self.port, "collector")
        try:
            yield
        finally:
            await server.close(grace=0.1)

    async def _take(self, request: Request) -> Response:
        body = json.loads(await request.read())
        assert request.headers.get("content-type") == "application/json"
        check_request(body)
        self.requests.append(body)
        return self.answers.pop(0) if self.answers else json_response({})


@dataclass
class House:
    """A database with tasks, a gateway that tells of calls, and an exporter between them."""

    queue: Queue
    feed: EventFeed
    client: Client
    gateway: GatewayPeer
    mark: Path
    now: float = 1000.0

    async def end(self, name: str, at: float, error: str = "") -> None:
        """A task of this name that ended then."""
        await self.queue.add(name)
        (claim,) = (await self.queue.turn(now=2.0)).claims
        await self.queue.turn(failed(claim, at) if error else done(claim, at, "x"), now=at)

    @asynccontextmanager
    async def exporting(self, collector: Collector, **how: Any) -> AsyncIterator[Exporter]:
        ends = Ends(self.queue.tasks, self.gateway, self.client, self.feed, self.mark)
        exporter = Exporter(
            collector.address,
            ends,
            Sender("home", "0.1.0", "box"),
            every=0.02,
            clock=lambda: self.now,
            **how,
        )
        task = asyncio.create_task(exporter.run(), name="send traces")
        try:
            yield exporter
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def told(self) -> list[str]:
        return [event.message for event in await self.feed.newest(100)]


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    router = Router()

    async def calls(request: Request) -> Response:
        known = request.query["task"] == "task-a"
        return json_response([CALL] if known else [])

    router.add("GET", "/calls", calls)
    gateway = Server(router)
    socket = tmp_path / "g.sock"
    await gateway.listen_unix(socket, "gateway")
    async with Client() as client:
        peer = GatewayPeer(client, "gateway", socket)
        feed = EventFeed(Events(database))
        yield House(Queue(database), feed, client, peer, tmp_path / "traces.json")
    await gateway.close(grace=0.1)


def begun_at(house: House, at: float) -> None:
    """As if an earlier control had read the database up to then."""
    house.mark.write_text(json.dumps({"ended": at, "id": ""}))


async def test_what_has_ended_is_sent_once_with_its_calls(house: House) -> None:
    begun_at(house, 900.0)
    await house.end("task-a", 950.0)
    await house.end("task-b", 951.0, error="no")
    collector = Collector()
    async with collector.running(), house.exporting(collector) as exporter:
        await eventually(lambda: exporter.counts == (2, 0))
        await house.end("task-c", 952.0)
        await eventually(lambda: exporter.counts == (3, 0))

    assert collector.traces == [trace_id(f"task-{name}") for name in "abc"]
    spans = {span["name"]: (about, span) for about, span in spans_of(collector.requests[0])}
    about, call = spans["chat tiny"]
    assert (about["service.name"], about["service.namespace"]) == ("gateway", "home")
    assert attributes(call["attributes"])["gen_ai.response.model"] == "tiny"
    assert await house.told() == []


async def test_another_control_goes_on_where_the_last_one_ended(house: House) -> None:
    begun_at(house, 900.0)
    await house.end("task-a", 950.0)
    collector = Collector()
    async with collector.running():
        async with house.exporting(collector) as exporter:
            await eventually(lambda: exporter.counts == (1, 0))
        await house.end("task-b", 960.0)
        async with house.exporting(collector) as exporter:
            await eventually(lambda: exporter.counts == (1, 0))

    assert collector.traces == [trace_id("task-a"), trace_id("task-b")]


async def test_a_first_start_sends_what_ends_from_then_on(house: House) -> None:
    await house.end("before", 999.0)
    collector = Collector()
    async with collector.running(), house.exporting(collector, settle=0.0) as exporter:
        await house.end("after", 1001.0)
        house.now = 1002.0
        await eventually(lambda: exporter.counts == (1, 0))

    assert collector.traces == [trace_id("after")]


async def test_what_is_hardly_over_waits_for_its_record(house: House) -> None:
    begun_at(house, 900.0)
    await house.end("task-a", 950.0)
    await house.end("task-b", house.now)
    collector = Collector()
    async with collector.running(), house.exporting(collector) as exporter:
        await eventually(lambda: exporter.counts == (1, 0))
        house.now += 60.0
        await eventually(lambda: exporter.counts == (2, 0))

    assert [len([*spans_of(body)]) > 0 for body in collector.requests] == [True, True]


async def test_a_collector_that_is_away_gets_all_of_it_later(house: House) -> None:
    begun_at(house, 900.0)
    await house.end("task-a", 950.0)
    collector = Collector()
    async with house.exporting(collector) as exporter:
        await _eventually_told(house, "sent later")
        assert exporter.counts == (0, 0)
        async with collector.running():
            await _eventually_told(house, "traces are sent again")
            assert exporter.counts == (1, 0)
    assert len(await house.told()) == 2


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_one_that_is_busy_is_asked_again(house: House, status: int) -> None:
    begun_at(house, 900.0)
    await house.end("task-a", 950.0)
    busy = Response(status, [("retry-after", "0")], b"")
    collector = Collector(answers=[busy])
    async with collector.running(), house.exporting(collector) as exporter:
        await eventually(lambda: exporter.counts == (1, 0))

    assert len(collector.requests) == 2 and collector.requests[0] == collector.requests[1]


async def test_what_is_refused_for_good_is_dropped_and_counted(house: House) -> None:
    begun_at(house, 900.0)
    await house.end("task-a", 950.0)
    collector = Collector(answers=[Response(400, [], b"no such field")])
    async with collector.running(), house.exporting(collector) as exporter:
        await eventually(lambda: exporter.counts == (0, 1))
        await house.end("task-b", 951.0)
        await _eventually_told(house, "traces are sent again")
        assert exporter.counts == (1, 1)

    assert (await house.told())[0] == "the collector refused 1 traces: 400 no such field"


@pytest.mark.parametrize(
    "answer",
    [
        *("", "no JSON", "[]", '{"partialSuccess": "odd"}'),
        '{"partialSuccess": {"rejectedSpans": "2", "errorMessage": "too long"}}',
    ],
)
async def test_what_was_taken_in_part_is_not_sent_again(
    house: House, caplog: pytest.LogCaptureFixture, answer: str
) -> None:
    begun_at(house, 900.0)
    await house.end("task-a", 950.0)
    collector = Collector(answers=[Response(200, [], answer.encode())])
    async with collector.running(), house.exporting(collector) as exporter:
        await eventually(lambda: exporter.counts == (1, 0))
        await house.end("task-b", 951.0)
        await eventually(lambda: exporter.counts == (2, 0))

    assert collector.traces == [trace_id("task-a"), trace_id("task-b")]
    assert ("refused 2 spans: too long" in caplog.text) == ("too long" in answer)


async def test_what_nobody_took_in_time_is_given_up_and_counted(house: House) -> None:
    begun_at(house, 900.0)
    for number in range(3):
        await house.end(f"old-{number}", 901.0 + number)
    await house.end("new", 990.0)
    house.now = 950.0 + KEEP
    collector = Collector()
    async with collector.running(), house.exporting(collector) as exporter:
        await eventually(lambda: exporter.counts == (1, 3))

    assert collector.traces == [trace_id("new")]


async def test_only_a_share_is_sent(house: House) -> None:
    begun_at(house, 900.0)
    for number in range(40):
        await house.end(f"task-{number}", 950.0 + number / 10)
    collector = Collector()
    async with collector.running(), house.exporting(collector, share=0.5):
        await eventually(lambda: _read(house.mark) == Mark(953.9, "task-39"))

    assert 0 < len(collector.traces) < 40


async def test_a_gateway_that_is_away_is_waited_for(house: House, tmp_path: Path) -> None:
    begun_at(house, 900.0)
    await house.end("task-a", 950.0)
    collector = Collector()
    there, house.gateway = house.gateway, GatewayPeer(house.client, "gateway", tmp_path / "none")
    async with collector.running():
        async with house.exporting(collector):
            await _eventually_told(house, "sent later")
        house.gateway = there
        async with house.exporting(collector) as exporter:
            await eventually(lambda: exporter.counts == (1, 0))


async def test_secrets_are_taken_out(house: House) -> None:
    begun_at(house, 900.0)
    secret = "sk-0123456789abcdef0123456789"
    await house.queue.add("task-a")
    (claim,) = (await house.queue.turn(now=2.0)).claims
    ended = replace(failed(claim, 950.0), reason=f"refused {secret}")
    await house.queue.turn(ended, now=950.0)
    collector = Collector()
    async with collector.running(), house.exporting(collector) as exporter:
        await eventually(lambda: exporter.counts == (1, 0))

    text = json.dumps(collector.requests)
    assert secret not in text and "[removed]" in text


@pytest.mark.parametrize("url", ["http://[::1]:4318", "https://box.example/otlp", "http://box"])
def test_addresses_that_can_be_written(url: str) -> None:
    tracing = Tracing(otlp=url)

    assert Address.parse(str(tracing.otlp))


@pytest.mark.parametrize("url", ["box:4318", "http://box:0", "http://a b", "ftp://box", "http://"])
def test_addresses_that_cannot(url: str) -> None:
    with pytest.raises(ValueError, match="expected a URL"):
        Tracing(otlp=url)


async def _eventually_told(house: House, text: str) -> None:
    async with asyncio.timeout(60):
        while not any(text in message for message in await house.told()):
            await asyncio.sleep(0.02)


def _read(path: Path) -> Mark:
    kept = json.loads(path.read_text())
    return Mark(kept["ended"], kept["id"])
