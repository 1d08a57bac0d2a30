"""Calls that wait, are refused, leave, or find their backend gone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from sutazai.fleet.declared import Dialect
from sutazai.fleet.serving import Queue
from tests.gateway.conftest import until
from tests.gateway.fake_backend import FakeBackend, Script
from tests.gateway.house import KEY, House, Reply, route

OPENAI, OLLAMA = Dialect.OPENAI, Dialect.OLLAMA
PATH = {OPENAI: "/v1/chat/completions", OLLAMA: "/api/chat"}


def chat(text: str = "hi", **more: Any) -> dict[str, Any]:
    return {"model": "fake-7b", "messages": [{"role": "user", "content": text}], **more}


def spoken(body: dict[str, Any]) -> str:
    return str(body["messages"][0]["content"])


def ask(house: House, body: dict[str, Any], **more: Any) -> asyncio.Task[Reply]:
    return asyncio.create_task(house.post(PATH[OPENAI], body, **more))


def queued(number: int) -> Callable[[dict[str, Any]], bool]:
    return lambda stats: sum(stats["queued"].values()) == number


async def test_no_more_run_at_once_than_there_are_slots(house: House) -> None:
    async with FakeBackend(script=Script(delay=0.01)) as fake:
        await house.start(route(fake, slots=3))
        replies = await asyncio.gather(*(ask(house, chat()) for _ in range(20)))
        assert {reply.status for reply in replies} == {200}
        assert fake.most_running == 3
        assert any(int(reply.headers["x-sutazai-queue-ms"]) > 0 for reply in replies)


async def test_high_priority_keys_go_first(house: House) -> None:
    hold = asyncio.Event()
    async with FakeBackend(script=Script(hold=hold)) as fake:
        await house.start(route(fake, slots=1))
        calls = [ask(house, chat("first"))]
        await until(lambda: fake.running)
        for name, key in (("low", "worker-key"), ("medium", None), ("high", KEY)):
            calls.append(ask(house, chat(name), key=key))
            await house.wait_for(queued(len(calls) - 1))
        assert (await house.stats())["queued"] == {"high": 1, "medium": 1, "low": 1}
        hold.set()
        await asyncio.gather(*calls)
        assert [spoken(body) for body in fake.calls] == ["first", "high", "medium", "low"]


@pytest.mark.parametrize("speaks", [OPENAI, OLLAMA])
async def test_a_full_queue_refuses_with_a_time_to_come_back(house: House, speaks: Dialect) -> None:
    hold = asyncio.Event()
    async with FakeBackend(script=Script(hold=hold)) as fake:
        await house.start(route(fake, slots=1), queue=Queue(limit=1))
        calls = [ask(house, chat()) for _ in range(2)]
        await house.wait_for(queued(1))
        reply = await house.post(PATH[speaks], chat())
        assert reply.status == 429
        assert int(reply.headers["retry-after"]) >= 1
        assert "queue is full" in str(reply.json["error"])
        hold.set()
        await asyncio.gather(*calls)
        stats = await house.stats()
        assert (stats["done"], stats["rejected"]) == (2, 1)


@pytest.mark.parametrize("speaks", [OPENAI, OLLAMA])
async def test_a_call_waits_no_longer_than_it_may(house: House, speaks: Dialect) -> None:
    hold = asyncio.Event()
    async with FakeBackend(script=Script(hold=hold)) as fake:
        await house.start(route(fake, slots=1), queue=Queue.model_validate({"wait": "100ms"}))
        first = ask(house, chat())
        await until(lambda: fake.running)
        reply = await house.post(PATH[speaks], chat())
        assert reply.status == 503
        assert "retry-after" in reply.headers
        assert int(reply.headers["x-sutazai-queue-ms"]) >= 100
        hold.set()
        assert (await first).status == 200
        assert (await house.stats())["expired"] == 1


async def test_a_client_that_leaves_the_queue_frees_its_place(house: House) -> None:
    hold = asyncio.Event()
    async with FakeBackend(script=Script(hold=hold)) as fake:
        await house.start(route(fake, slots=1))
        first = ask(house, chat("first"))
        await until(lambda: fake.running)
        leaver = ask(house, chat("leaver"))
        await house.wait_for(queued(1))
        leaver.cancel()
        await house.wait_for(queued(0))
        hold.set()
        await first
        assert [spoken(body) for body in fake.calls] == ["first"]
        assert (await house.stats())["cancelled"] == 1


@pytest.mark.parametrize("backend", [OPENAI, OLLAMA])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_before_the_answer_stops_the_backend(
    house: House, backend: Dialect, stream: bool
) -> None:
    async with FakeBackend(backend, script=Script(hang_after=0)) as fake:
        await house.start(route(fake, slots=1))
        leaver = ask(house, chat(stream=stream))
        await until(lambda: fake.running)
        leaver.cancel()
        await until(lambda: fake.left == 1 and fake.running == 0)
        fake.script = Script()
        assert (await ask(house, chat())).status == 200
        assert (await house.stats())["cancelled"] == 1


@pytest.mark.parametrize("backend", [OPENAI, OLLAMA])
async def test_a_client_that_leaves_in_mid_stream_stops_the_backend(
    house: House, backend: Dialect
) -> None:
    async with FakeBackend(backend, script=Script(hang_after=2)) as fake:
        await house.start(route(fake, slots=1))
        response = await house.client.request(
            "POST", house.address, "/v1/chat/completions", body=_json(chat(stream=True))
        )
        stream = response.stream()
        assert b"Hello" in await anext(stream)
        await stream.aclose()
        await until(lambda: fake.left == 1 and fake.running == 0)
        stats = await house.wait_for(lambda stats: stats["cancelled"] == 1 and not stats["running"])
        assert stats["done"] == 0


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


async def test_words_reach_the_client_as_they_come(house: House) -> None:
    for backend in Dialect:
        async with FakeBackend(backend, script=Script(hang_after=1)) as fake:
            await (house.route if house.gateway else house.start)(route(fake))
            await house.wait_for(lambda stats: stats["backends"][0]["available"])
            response = await house.client.request(
                "POST", house.address, "/v1/chat/completions", body=_json(chat(stream=True))
            )
            async with asyncio.timeout(2), response:
                assert b"Hello" in await anext(response.stream())


async def test_a_backend_that_cannot_be_reached_is_replaced_before_the_first_byte(
    house: House,
) -> None:
    async with FakeBackend() as good:
        bad = FakeBackend()
        await bad.start()
        await house.start(route(bad, "bad", weight=100.0), route(good, "good"))
        await bad.stop()
        reply = await ask(house, chat())
        assert reply.status == 200
        assert reply.headers["x-sutazai-backend"] == "good"
        stats = await house.stats()
        states = {each["name"]: each for each in stats["backends"]}
        assert not states["bad"]["available"] and "no connection" in states["bad"]["reason"]
        assert states["good"]["available"] and stats["done"] == 1


async def test_a_restart_of_the_only_backend_is_bridged(house: House) -> None:
    fake = FakeBackend()
    await fake.start()
    await house.start(route(fake))
    port = fake.port
    await fake.stop()
    call = ask(house, chat())
    await house.wait_for(lambda stats: not stats["backends"][0]["available"])
    await house.wait_for(queued(1))
    await fake.start(port)
    assert (await call).status == 200
    await fake.stop()


async def test_a_backend_that_answers_5xx_to_the_list_is_not_available(house: House) -> None:
    async with FakeBackend(list_status=503) as fake:
        await house.start()
        await house.route(route(fake))
        stats = await house.wait_for(lambda stats: "503" in stats["backends"][0]["reason"])
        assert not stats["backends"][0]["available"]
        fake.list_status = 200
        await house.wait_for(lambda stats: stats["backends"][0]["available"])


async def test_a_backend_without_a_list_is_used_for_the_models_that_tiers_name(
    house: House,
) -> None:
    async with FakeBackend(list_status=404) as fake:
        tiers = [{"name": "standard", "model": "hidden"}]
        await house.start(route(fake), tiers=tiers)
        assert (await house.post(PATH[OPENAI], {**chat(), "model": "standard"})).status == 200
        assert fake.calls[0]["model"] == "hidden"


async def test_a_backend_that_was_never_reached_makes_no_model_unknown(house: House) -> None:
    await house.start()
    gone = route(FakeBackend(port=1), "gone")
    await house.route(gone)
    reply = await house.post(PATH[OPENAI], chat())
    assert reply.status == 503
    assert "gone" in reply.json["error"]["message"]


async def test_a_model_that_was_just_pulled_is_found(house: House) -> None:
    async with FakeBackend(OLLAMA) as fake:
        await house.start(route(fake))
        fake.models = (*fake.models, "new")
        reply = await house.post(PATH[OPENAI], {**chat(), "model": "new"})
        assert reply.status == 200


async def test_a_backend_without_models_says_what_to_do(house: House) -> None:
    async with FakeBackend(OLLAMA, models=()) as fake:
        await house.start(route(fake))
        reply = await house.post(PATH[OLLAMA], {**chat(), "model": "fast"})
        assert reply.status == 503
        assert "pull a model" in reply.json["error"]


async def test_the_key_of_a_backend_is_sent_to_it_and_the_clients_is_not(house: House) -> None:
    async with FakeBackend() as fake:
        await house.start(route(fake, api_key="backend-key"))
        await house.post(PATH[OPENAI], chat(), key=KEY)
        assert fake.seen[0].headers.getall("authorization") == ["Bearer backend-key"]


async def test_a_refused_backend_key_does_not_look_like_the_clients_fault(house: House) -> None:
    async with FakeBackend(script=Script(status=401)) as fake:
        await house.start(route(fake))
        assert (await house.post(PATH[OPENAI], chat())).status == 502


async def test_a_base_url_replaces_the_usual_prefix(house: House) -> None:
    async with FakeBackend() as fake:
        await house.start(route(fake, address=f"{fake.url}/v1"))
        assert (await house.post(PATH[OPENAI], chat())).status == 200
        assert fake.seen[0].path == "/v1/chat/completions"


async def test_ten_thousand_waiting_calls_that_leave_leave_nothing(house: House) -> None:
    """A tenth over real connections, so that the suite stays quick."""
    hold = asyncio.Event()
    async with FakeBackend(script=Script(hold=hold)) as fake:
        await house.start(route(fake, slots=1))
        calls = [ask(house, chat()) for _ in range(1000)]
        await house.wait_for(queued(999))
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        stats = await house.wait_for(
            lambda stats: sum(stats["queued"].values()) == stats["running"] == 0
        )
        assert stats["cancelled"] == 1000
        await until(lambda: fake.running == 0)


async def test_the_queue_time_does_not_grow_while_the_backend_works(house: House) -> None:
    hold = asyncio.Event()
    async with FakeBackend(script=Script(hold=hold, status=500)) as fake:
        await house.start(route(fake))
        call = ask(house, chat())
        await until(lambda: fake.running)
        await asyncio.sleep(1.0)
        hold.set()
        assert int((await call).headers["x-sutazai-queue-ms"]) < 1000


async def test_our_own_clients_can_raise_the_same_error_again(house: House) -> None:
    async with FakeBackend() as fake:
        await house.start(route(fake))
        reply = await house.post(PATH[OPENAI], {**chat(), "model": "nope"})
        assert reply.json["error"]["sutazai_code"] == "NotFound"
        await house.route(route(fake), keyless=False)
        reply = await house.post(PATH[OPENAI], chat())
        assert reply.json["error"]["sutazai_code"] == "Unauthenticated"
