"""Calls that wait: what their clients are told meanwhile, and when they are refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sutazai.fleet.declared import Dialect
from sutazai.fleet.routes import TierRoute
from sutazai.fleet.serving import Overflow, Queue
from sutazai.wire import ClientResponse
from tests.gateway.asking import (
    OLLAMA,
    OPENAI,
    PATH,
    TEXT,
    ask,
    chat,
    error_of,
    queued,
    said,
    streamed,
)
from tests.gateway.conftest import until
from tests.gateway.fake_backend import FakeBackend, Script
from tests.gateway.fake_engine import Pace
from tests.gateway.house import KEY, House, Reply, route

PATIENCE = 0.05
ANTHROPIC = "/v1/messages"


def hasten(house: House) -> None:
    """Clients hear soon that they wait."""
    assert house.gateway is not None
    house.gateway._llm._plant.patience = PATIENCE


async def rest_of(response: ClientResponse, begun: bytes = b"") -> Reply:
    data = begun + b"".join([piece async for piece in response.stream()])
    return Reply(response.status, dict(response.headers), data)


def comments(reply: Reply) -> list[str]:
    return [text for text in reply.data.decode().split("\n\n") if text.startswith(":")]


# what is told meanwhile


async def test_a_stream_that_waits_is_kept_alive_by_comments(house: House) -> None:
    hold = asyncio.Event()
    async with FakeBackend(script=Script(hold=hold)) as fake:
        await house.start(route(fake, slots=1))
        first = ask(house, chat())
        await until(lambda: fake.running)
        hasten(house)
        async with streamed(house, chat("second")) as response:
            assert response.headers.get("content-type") == "text/event-stream; charset=utf-8"
            begun = await response.next_piece()
            assert begun == b": waiting; position 1\n\n"
            begun += await response.next_piece()
            hold.set()
            reply = await rest_of(response, begun)
        assert said(await first) == TEXT and said(reply) == TEXT
        assert reply.events[-1] == "[DONE]" and len(comments(reply)) >= 2


async def test_a_prompt_that_is_read_for_long_is_told(house: House) -> None:
    hold = asyncio.Event()
    async with FakeBackend(script=Script(hold=hold)) as fake:
        await house.start(route(fake))
        hasten(house)
        async with streamed(house, chat()) as response:
            begun = await response.next_piece()
            assert begun == b": the model reads the prompt\n\n"
            hold.set()
            assert said(await rest_of(response, begun)) == TEXT


async def test_measured_rates_give_a_time(house: House) -> None:
    hold = asyncio.Event()
    async with FakeBackend() as fake:
        await house.start(route(fake, slots=1))
        await ask(house, chat())
        fake.script = Script(hold=hold)
        first = ask(house, chat())
        await until(lambda: fake.running)
        hasten(house)
        async with streamed(house, chat()) as response:
            begun = await response.next_piece()
            assert begun == b": waiting; position 1, about 0 s to go\n\n"
            hold.set()
            assert said(await rest_of(response, begun)) == TEXT
        await first


async def test_ndjson_has_no_comments(house: House) -> None:
    hold = asyncio.Event()
    async with FakeBackend(OLLAMA, script=Script(hold=hold)) as fake:
        await house.start(route(fake, slots=1))
        hasten(house)
        call = ask(house, chat(stream=True), OLLAMA)
        await until(lambda: fake.running)
        await asyncio.sleep(3 * PATIENCE)
        hold.set()
        reply = await call
        assert reply.headers["content-type"] == "application/x-ndjson"
        assert "".join(each["message"]["content"] for each in reply.lines) == TEXT


async def test_an_answer_that_is_no_stream_keeps_its_status(house: House) -> None:
    hold = asyncio.Event()
    async with FakeBackend(script=Script(hold=hold, status=500)) as fake:
        await house.start(route(fake))
        hasten(house)
        call = ask(house, chat())
        await until(lambda: fake.running)
        await asyncio.sleep(3 * PATIENCE)
        hold.set()
        assert (await call).status == 500


@pytest.mark.parametrize("path", [PATH[OPENAI], "/v1/responses", ANTHROPIC])
async def test_an_error_after_comments_is_told_in_the_stream(house: House, path: str) -> None:
    hold = asyncio.Event()
    async with FakeBackend(script=Script(hold=hold, status=500)) as fake:
        await house.start(route(fake))
        hasten(house)
        body = chat(stream=True, input="hi", max_tokens=9)
        call = asyncio.create_task(house.post(path, body))
        await until(lambda: fake.running)
        await asyncio.sleep(3 * PATIENCE)
        hold.set()
        reply = await call
        assert reply.status == 200 and comments(reply)
        assert b"scripted trouble" in reply.data and b'"error"' in reply.data
        stats = await house.stats()
        assert (stats["failed"], stats["running"]) == (1, 0)


async def test_an_expiry_after_comments_is_told_in_the_stream(house: House) -> None:
    hold = asyncio.Event()
    async with FakeBackend(script=Script(hold=hold)) as fake:
        await house.start(route(fake, slots=1), queue=Queue.model_validate({"wait": "1s"}))
        first = ask(house, chat())
        await until(lambda: fake.running)
        hasten(house)
        reply = await ask(house, chat(stream=True))
        assert reply.status == 200 and comments(reply)
        assert "no slot became free" in reply.data.decode()
        hold.set()
        await first
        assert (await house.stats())["expired"] == 1


async def test_who_leaves_while_comments_come_frees_the_place(house: House) -> None:
    hold = asyncio.Event()
    async with FakeBackend(script=Script(hold=hold)) as fake:
        await house.start(route(fake, slots=1))
        first = ask(house, chat())
        await until(lambda: fake.running)
        hasten(house)
        async with streamed(house, chat()) as response:
            await response.next_piece()
        await queued(house, 0)
        assert (await house.stats())["cancelled"] == 1
        hold.set()
        assert (await first).status == 200
        assert len(fake.calls) == 1


# refusals


@pytest.mark.parametrize("speaks", [OPENAI, OLLAMA])
async def test_a_refusal_tells_the_place_and_the_time(house: House, speaks: Dialect) -> None:
    hold = asyncio.Event()
    async with FakeBackend() as fake:
        await house.start(route(fake, slots=1), queue=Queue(limit=2))
        fake.script = Script(delay=0.02)
        await ask(house, chat())
        fake.script = Script(hold=hold)
        calls = [ask(house, chat(f"{each}")) for each in range(3)]
        await queued(house, 2)
        reply = await house.post(PATH[speaks], chat())
        place = reply.json["error"] if speaks is OPENAI else reply.json
        assert reply.status == 429
        assert place["position"] == 3 and 0 < place["eta"] < 5
        assert int(reply.headers["retry-after"]) >= 1
        assert "x-sutazai-queue-ms" in reply.headers
        hold.set()
        await asyncio.gather(*calls)


async def test_what_cannot_start_in_time_is_refused_at_once(house: House) -> None:
    hold = asyncio.Event()
    async with FakeBackend(script=Script(pace=Pace(first=0.2))) as fake:
        await house.start(route(fake, slots=1), queue=Queue.model_validate({"wait": "500ms"}))
        await ask(house, chat())
        fake.script = Script(hold=hold)
        calls = [ask(house, chat(f"{each}")) for each in range(9)]
        await until(lambda: sum(call.done() for call in calls) >= 1)
        late = next(call for call in calls if call.done()).result()
        assert late.status == 503
        assert "before its deadline" in error_of(late)["message"]
        assert error_of(late)["eta"] > 0.5
        hold.set()
        await asyncio.gather(*calls)
        stats = await house.stats()
        assert stats["rejected"] >= 1 and stats["running"] == 0


async def test_the_lowest_makes_way_in_a_full_queue(house: House) -> None:
    hold = asyncio.Event()
    queue = Queue(limit=1, overflow=Overflow.SHED_LOWEST)
    async with FakeBackend(script=Script(hold=hold)) as fake:
        await house.start(route(fake, slots=1), queue=queue)
        first = ask(house, chat())
        await until(lambda: fake.running)
        low = ask(house, chat("low"), key="worker-key")
        await queued(house, 1)
        high = ask(house, chat("high"), key=KEY)
        shed = await low
        assert shed.status == 429 and "made way" in error_of(shed)["message"]
        refused = await ask(house, chat("another low"), key="worker-key")
        assert "queue is full" in error_of(refused)["message"]
        hold.set()
        assert [(await call).status for call in (first, high)] == [200, 200]
        assert [body["messages"][0]["content"] for body in fake.calls] == ["hi", "high"]


async def test_a_full_queue_sends_calls_to_another_tier(house: House) -> None:
    hold = asyncio.Event()
    tiers = (
        TierRoute(name="fast", model="fake-7b", backends=("near",), fallback=("standard",)),
        TierRoute(name="standard", model="fake-70b", backends=("far",)),
    )
    queue = Queue(limit=1, overflow=Overflow.ANOTHER_TIER)
    async with FakeBackend(script=Script(hold=hold)) as near, FakeBackend() as far:
        backends = (route(near, "near", slots=1), route(far, "far"))
        await house.start(*backends, tiers=tiers, queue=queue)
        calls = [ask(house, chat(f"{each}", model="fast")) for each in range(2)]
        await queued(house, 1)
        reply = await ask(house, chat(model="fast"))
        assert (reply.status, reply.headers["x-sutazai-tier"]) == (200, "standard")
        await house.route(*backends, tiers=tiers, queue=Queue(limit=1))
        assert (await ask(house, chat(model="fast"))).status == 429
        hold.set()
        await asyncio.gather(*calls)
        assert len(far.calls) == 1


async def test_the_queue_is_shown_as_it_is(house: House) -> None:
    hold = asyncio.Event()
    async with FakeBackend(script=Script(hold=hold)) as fake:
        await house.start(route(fake, slots=1))
        calls = [ask(house, chat())]
        await until(lambda: fake.running)
        calls.append(ask(house, chat(), key="worker-key"))
        await queued(house, 1)
        calls.append(ask(house, chat(), key=KEY))
        await queued(house, 2)
        shown: dict[str, Any] = await house.api("GET", "/queue")
        assert (shown["waiting"], shown["paused"]) == (2, False)
        rows = [(row["client"], row["priority"], row["position"]) for row in shown["entries"]]
        assert rows == [("planner", "high", 1), ("worker", "low", 2)]
        hold.set()
        await asyncio.gather(*calls)
