"""Equal calls: computed once where they come together, kept where they come later."""

from __future__ import annotations

import asyncio

import pytest

from sutazai.fleet.declared import Dialect
from sutazai.fleet.routes import TierRoute
from sutazai.fleet.serving import Cache
from tests.gateway.asking import OLLAMA, OPENAI, PATH, TEXT, ask, chat, queued, said, streamed
from tests.gateway.conftest import until
from tests.gateway.fake_backend import FakeBackend, Script
from tests.gateway.house import KEY, House, route

FIXED = chat(temperature=0)


# together


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("backend", [OPENAI, OLLAMA])
async def test_equal_calls_are_computed_once(house: House, backend: Dialect, stream: bool) -> None:
    hold = asyncio.Event()
    async with FakeBackend(backend, script=Script(hold=hold)) as fake:
        await house.start(route(fake))
        calls = [ask(house, {**FIXED, "stream": stream}) for _ in range(3)]
        await house.wait_for(lambda stats: stats["shared"] == 2)
        hold.set()
        replies = await asyncio.gather(*calls)
        assert [said(reply) for reply in replies] == [TEXT] * 3
        assert len({reply.data for reply in replies}) == 1 and len(fake.calls) == 1
        kinds = sorted(reply.headers.get("x-sutazai-cache", "") for reply in replies)
        assert kinds == ["", "shared", "shared"]
        assert all(reply.headers["x-sutazai-backend"] == "one" for reply in replies)
        stats = await house.stats()
        assert (stats["done"], stats["running"], stats["tokens_out"]) == (3, 0, 4)


async def test_calls_of_others_or_with_chance_in_them_are_computed_for_themselves(
    house: House,
) -> None:
    hold = asyncio.Event()
    async with FakeBackend(script=Script(hold=hold)) as fake:
        await house.start(route(fake, slots=8))
        calls = [
            ask(house, FIXED),
            ask(house, FIXED, key=KEY),
            ask(house, chat()),
            ask(house, chat()),
            ask(house, chat(temperature=0, top_k=3)),
        ]
        await until(lambda: fake.running == 5)
        hold.set()
        assert {(await call).status for call in calls} == {200}


@pytest.mark.parametrize("stream", [False, True])
async def test_the_leader_may_leave_while_it_is_computed(house: House, stream: bool) -> None:
    hold = asyncio.Event()
    async with FakeBackend(script=Script(hold=hold)) as fake:
        await house.start(route(fake))
        leader = ask(house, {**FIXED, "stream": stream})
        await until(lambda: fake.running)
        follower = ask(house, {**FIXED, "stream": stream})
        await house.wait_for(lambda stats: stats["shared"] == 1)
        leader.cancel()
        await asyncio.gather(leader, return_exceptions=True)
        hold.set()
        assert said(await follower) == TEXT
        assert len(fake.calls) == 1 and fake.left == 0


async def test_the_leader_may_leave_while_it_waits(house: House) -> None:
    hold = asyncio.Event()
    async with FakeBackend(script=Script(hold=hold)) as fake:
        await house.start(route(fake, slots=1))
        first = ask(house, chat())
        await until(lambda: fake.running)
        leader = ask(house, FIXED)
        await queued(house, 1)
        follower = ask(house, FIXED)
        await house.wait_for(lambda stats: stats["shared"] == 1)
        leader.cancel()
        await asyncio.gather(leader, return_exceptions=True)
        hold.set()
        assert said(await follower) == TEXT == said(await first)


async def test_the_leader_may_leave_in_mid_stream_and_latecomers_hear_all(house: House) -> None:
    async with FakeBackend(script=Script(delay=0.3, tokens=("a", "b", "c", "d"))) as fake:
        await house.start(route(fake))
        async with streamed(house, FIXED) as response:
            assert await response.next_piece()
            follower = ask(house, {**FIXED, "stream": True})
            await house.wait_for(lambda stats: stats["shared"] == 1)
        reply = await follower
        assert said(reply) == "abcd" and reply.events[-1] == "[DONE]"
        assert len(fake.calls) == 1 and fake.left == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_when_all_have_left_the_backend_stops(house: House, stream: bool) -> None:
    async with FakeBackend(script=Script(hang_after=0)) as fake:
        await house.start(route(fake, slots=1))
        calls = [ask(house, {**FIXED, "stream": stream}) for _ in range(2)]
        await house.wait_for(lambda stats: stats["shared"] == 1)
        await until(lambda: fake.running)
        for call in calls:
            call.cancel()
        await until(lambda: fake.left == 1 and fake.running == 0)
        await house.wait_for(lambda stats: stats["cancelled"] == 2 and not stats["running"])


async def test_all_of_them_hear_of_a_failure(house: House) -> None:
    hold = asyncio.Event()
    async with FakeBackend(script=Script(hold=hold, status=500)) as fake:
        await house.start(route(fake))
        calls = [ask(house, FIXED) for _ in range(3)]
        await house.wait_for(lambda stats: stats["shared"] == 2)
        hold.set()
        assert [(await call).status for call in calls] == [500] * 3
        stats = await house.stats()
        assert (stats["failed"], stats["running"]) == (3, 0)
        fake.script = Script()
        assert said(await ask(house, FIXED)) == TEXT


async def test_sharing_can_be_switched_off(house: House) -> None:
    hold = asyncio.Event()
    async with FakeBackend(script=Script(hold=hold)) as fake:
        await house.start(route(fake), cache=Cache(share=False))
        calls = [ask(house, FIXED) for _ in range(2)]
        await until(lambda: fake.running == 2)
        hold.set()
        await asyncio.gather(*calls)


# later


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("speaks", [OPENAI, OLLAMA])
async def test_an_answer_is_had_again_byte_for_byte(
    house: House, speaks: Dialect, stream: bool
) -> None:
    body = chat(stream=stream, temperature=0, options={"temperature": 0})
    async with FakeBackend() as fake:
        await house.start(route(fake))
        first, second = [await house.post(PATH[speaks], body) for _ in range(2)]
        assert second.data == first.data and len(fake.calls) == 1
        assert "x-sutazai-cache" not in first.headers
        assert second.headers["x-sutazai-cache"] == "hit"
        assert second.headers["content-type"] == first.headers["content-type"]
        stats = await house.stats()
        assert (stats["cache_hits"], stats["done"], stats["tokens_out"]) == (1, 2, 4)


@pytest.mark.parametrize("backend", [OPENAI, OLLAMA])
async def test_a_whole_answer_is_replayed_as_a_stream_and_back(
    house: House, backend: Dialect
) -> None:
    async with FakeBackend(backend) as fake:
        await house.start(route(fake))
        await ask(house, FIXED)
        stream = await ask(house, {**FIXED, "stream": True})
        assert stream.headers["x-sutazai-cache"] == "hit"
        assert said(stream) == TEXT and stream.events[-1] == "[DONE]"
        await ask(house, {**FIXED, "seed": 7, "stream": True})
        whole = await ask(house, {**FIXED, "seed": 7})
        assert (whole.headers["x-sutazai-cache"], said(whole)) == ("hit", TEXT)
        assert whole.json["choices"][0]["finish_reason"] == "stop"
        assert len(fake.calls) == 2


async def test_nobody_has_what_another_asked(house: House) -> None:
    async with FakeBackend() as fake:
        await house.start(route(fake))
        for key in (None, KEY, "worker-key"):
            assert "x-sutazai-cache" not in (await ask(house, FIXED, key=key)).headers
        assert "x-sutazai-cache" in (await ask(house, FIXED, key=KEY)).headers
        named = [("x-sutazai-agent", "lab")]
        assert "x-sutazai-cache" not in (await ask(house, FIXED, headers=named)).headers
        assert len(fake.calls) == 4


@pytest.mark.parametrize(
    "trouble",
    [
        Script(drop_after=2),
        Script(error_after=2),
        Script(end_after=2),
        Script(nonsense_after=2),
        Script(reason="content_filter"),
    ],
)
@pytest.mark.parametrize("backend", [OPENAI, OLLAMA])
async def test_what_was_cut_short_is_not_kept(
    house: House, backend: Dialect, trouble: Script
) -> None:
    async with FakeBackend(backend, script=trouble) as fake:
        await house.start(route(fake))
        body = {**FIXED, "stream": True}
        await ask(house, body)
        fake.script = Script()
        for again in (body, FIXED):
            reply = await ask(house, again, headers=[("x-again", "1")])
            assert said(reply) == TEXT
        assert len(fake.calls) >= 2


async def test_a_stream_that_its_client_left_is_not_kept(house: House) -> None:
    async with FakeBackend(script=Script(hang_after=2)) as fake:
        await house.start(route(fake))
        async with streamed(house, FIXED) as response:
            await response.next_piece()
        await until(lambda: fake.left == 1)
        fake.script = Script()
        reply = await ask(house, {**FIXED, "stream": True})
        assert "x-sutazai-cache" not in reply.headers and said(reply) == TEXT


async def test_what_a_fallback_answered_is_not_kept(house: House) -> None:
    tiers = (
        TierRoute(name="fast", model="fake-7b", backends=("near",), fallback=("standard",)),
        TierRoute(name="standard", model="fake-70b", backends=("far",)),
    )
    body = {**FIXED, "model": "fast"}
    async with FakeBackend(script=Script(status=500)) as near, FakeBackend() as far:
        await house.start(route(near, "near"), route(far, "far"), tiers=tiers)
        assert (await ask(house, body)).headers["x-sutazai-tier"] == "standard"
        near.script = Script(tokens=("near",))
        assert said(await ask(house, body)) == "near"


async def test_embeddings_are_kept(house: House) -> None:
    async with FakeBackend() as fake:
        await house.start(route(fake))
        body = {"model": "fake-7b", "input": ["a"]}
        first, second = [await house.post("/v1/embeddings", body) for _ in range(2)]
        assert first.data == second.data and len(fake.calls) == 1
