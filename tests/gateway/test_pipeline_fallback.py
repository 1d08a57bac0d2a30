"""Backends that fail: other backends, other tiers, and bounds on how long each may take."""

from __future__ import annotations

import asyncio

import pytest

from sutazai.fleet.routes import TierRoute
from sutazai.fleet.serving import Timeouts
from tests.gateway.asking import OLLAMA, TEXT, ask, chat, recorded, said
from tests.gateway.conftest import until
from tests.gateway.fake_backend import FakeBackend, Script
from tests.gateway.house import House, route

TIERS = (
    TierRoute(name="fast", model="fake-7b", backends=("near",), fallback=("standard",)),
    TierRoute(name="standard", model="fake-70b", backends=("far",)),
)
FAST = chat(model="fast")


def hurried(**bounds: float) -> Timeouts:
    return Timeouts.model_validate(
        {name: f"{seconds * 1000:g}ms" for name, seconds in bounds.items()}
    )


# other tiers


@pytest.mark.parametrize("stream", [False, True])
async def test_a_tier_whose_backend_is_down_falls_back_at_once(house: House, stream: bool) -> None:
    near = FakeBackend()
    await near.start()
    async with FakeBackend() as far:
        await house.start(route(near, "near"), route(far, "far"), tiers=TIERS)
        await near.stop()
        async with asyncio.timeout(9):  # and not after the time for which a restart is bridged
            replies = [await ask(house, {**FAST, "stream": stream}) for _ in range(2)]
        for reply in replies:
            assert reply.status == 200 and said(reply) == TEXT
            assert reply.headers["x-sutazai-tier"] == "standard"
            assert reply.headers["x-sutazai-backend"] == "far"
        assert {body["model"] for body in far.calls} == {"fake-70b"}


async def test_a_tier_whose_backend_fails_falls_back(house: House) -> None:
    async with FakeBackend(script=Script(status=500)) as near, FakeBackend() as far:
        await house.start(route(near, "near"), route(far, "far"), tiers=TIERS)
        reply = await ask(house, FAST)
        assert (reply.status, reply.headers["x-sutazai-tier"]) == (200, "standard")
        assert len(near.calls) == 1


async def test_a_model_that_fails_does_not_shut_its_backend_to_the_fallback(house: House) -> None:
    """One Ollama whose large model does not fit into memory, and a smaller one that does."""
    tiers = (
        TierRoute(name="fast", model="fake-7b"),
        TierRoute(name="complex", model="fake-70b", fallback=("fast",)),
    )
    async with FakeBackend(OLLAMA, script=Script(fail_every=2)) as fake:
        await house.start(route(fake), tiers=tiers)
        await ask(house, chat())  # the next one fails, the one after it is answered
        reply = await ask(house, chat(model="complex"))
        assert (reply.status, reply.headers["x-sutazai-tier"]) == (200, "fast")
        assert [body["model"] for body in fake.calls] == ["fake-7b", "fake-70b", "fake-7b"]


async def test_a_broken_circuit_sends_calls_to_the_fallback_without_a_try(house: House) -> None:
    async with FakeBackend(script=Script(status=500)) as near, FakeBackend() as far:
        await house.start(route(near, "near"), route(far, "far"), tiers=TIERS)
        for _ in range(5):
            assert (await ask(house, FAST)).status == 200
        assert len(near.calls) == 5
        async with asyncio.timeout(9):
            assert (await ask(house, FAST)).headers["x-sutazai-tier"] == "standard"
        assert len(near.calls) == 5
        (row, _) = await house.api("GET", "/backends")
        assert row["breakers"][0]["state"] == "open" and "trouble" in row["breakers"][0]["why"]


async def test_an_error_of_the_client_is_nobodys_fault(house: House) -> None:
    async with FakeBackend(script=Script(status=400)) as near, FakeBackend() as far:
        await house.start(route(near, "near"), route(far, "far"), tiers=TIERS)
        for _ in range(6):
            assert (await ask(house, FAST)).status == 400
        assert not far.calls and len(near.calls) == 6


async def test_what_fails_everywhere_says_what_went_wrong_first(house: House) -> None:
    async with (
        FakeBackend(script=Script(status=500)) as near,
        FakeBackend(script=Script(status=503)) as far,
    ):
        await house.start(route(near, "near"), route(far, "far"), tiers=TIERS)
        reply = await ask(house, FAST)
        assert reply.status == 500
        assert (len(near.calls), len(far.calls)) == (1, 1)
        stats = await house.stats()
        assert (stats["failed"], stats["running"]) == (1, 0)


# never after the first byte


@pytest.mark.parametrize("trouble", [Script(drop_after=2), Script(error_after=2)])
async def test_after_the_first_word_nobody_else_is_asked(house: House, trouble: Script) -> None:
    async with FakeBackend(script=trouble) as near, FakeBackend() as far:
        await house.start(route(near, "near"), route(far, "far"), tiers=TIERS)
        reply = await ask(house, {**FAST, "stream": True})
        assert reply.status == 200
        assert "error" in reply.events[-1] and "[DONE]" not in reply.events
        assert not far.calls
        assert (await house.stats())["failed"] == 1


# other backends


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "trouble",
    [
        Script(status=500),
        Script(status=503),
        Script(drop_after=-1),
        Script(error_after=0),
        Script(nonsense_after=0),
        Script(end_after=0),
    ],
    ids=["500", "503", "dropped", "error in band", "nonsense", "empty"],
)
async def test_another_backend_answers_before_the_first_byte(
    house: House, trouble: Script, stream: bool
) -> None:
    if not stream and trouble.status == 200 and trouble.drop_after is None:
        trouble = Script(whole=b'{"error": {"message": "in band", "code": 500}}')
    async with (
        FakeBackend(OLLAMA, script=trouble) as bad,
        FakeBackend(OLLAMA) as good,
    ):
        await house.start(route(bad, "bad", weight=100.0), route(good, "good"))
        reply = await ask(house, chat(stream=stream), OLLAMA)
        assert reply.headers["x-sutazai-backend"] == "good"
        assert bad.calls and len(good.calls) == 1
        objects = reply.lines if stream else [reply.json]
        assert "".join(each["message"]["content"] for each in objects) == TEXT
        assert all("error" not in each for each in objects)


async def test_the_last_attempt_does_not_wait_for_another_turn(house: House) -> None:
    async with FakeBackend(script=Script(status=500)) as fake:
        names = ("a", "b", "c", "d")
        await house.start(*(route(fake, name, slots=1) for name in names))
        async with asyncio.timeout(60):
            reply = await ask(house, chat())
        assert reply.status == 500 and len(fake.calls) == 3
        assert (await house.stats())["running"] == 0


async def test_a_backend_that_is_away_is_not_waited_for_where_a_tier_is_left(house: House) -> None:
    away = route(FakeBackend(port=1), "away")
    tiers = (
        TierRoute(name="fast", model="fake-7b", backends=("near", "away"), fallback=("standard",)),
        TIERS[1],
    )
    async with FakeBackend(script=Script(status=500)) as near, FakeBackend() as far:
        await house.start()
        await house.route(route(near, "near"), route(far, "far"), away, tiers=tiers)
        await house.wait_for(lambda stats: sum(b["available"] for b in stats["backends"]) == 2)
        async with asyncio.timeout(9):
            assert (await ask(house, FAST)).headers["x-sutazai-tier"] == "standard"


# timeouts


@pytest.mark.parametrize(
    ("stream", "script", "bounds"),
    [
        (True, Script(hang_after=0), {"first_token": 1}),
        (True, Script(hang_after=1), {"first_token": 30, "between_tokens": 1}),
        (True, Script(delay=0.05, tokens=("x",) * 100), {"total": 1}),
        (False, Script(hang_after=0), {"total": 1}),
    ],
    ids=["first token", "between tokens", "total of a stream", "total of a whole answer"],
)
async def test_a_backend_that_is_too_slow(
    house: House, stream: bool, script: Script, bounds: dict[str, float]
) -> None:
    async with FakeBackend(script=script) as fake:
        await house.start(route(fake, slots=1, timeouts=hurried(**bounds)))
        async with asyncio.timeout(60):
            reply = await ask(house, chat(stream=stream))
        if script.hang_after == 0:
            assert reply.status == 504
        else:
            assert reply.status == 200 and "error" in reply.events[-1]
        await until(lambda: fake.running == 0)
        fake.script = Script()
        assert (await ask(house, chat())).status == 200
        (call,) = await recorded(house, "/calls?outcome=failed", 1)
        assert call["error"] == "DeadlineExceeded"


async def test_another_backend_is_asked_where_the_first_token_does_not_come(house: House) -> None:
    async with FakeBackend(script=Script(hang_after=0)) as bad, FakeBackend() as good:
        bounds = hurried(first_token=0.1)
        await house.start(route(bad, "bad", weight=100.0, timeouts=bounds), route(good, "good"))
        reply = await ask(house, chat(stream=True))
        assert (reply.headers["x-sutazai-backend"], said(reply)) == ("good", TEXT)
