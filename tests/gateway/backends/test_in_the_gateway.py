"""Backends as clients of the whole gateway meet them."""

from __future__ import annotations

from sutazai.gateway.backends.breakers import IN_A_ROW
from tests.gateway.fake_backend import FakeBackend, Script
from tests.gateway.house import House, route

CHAT = "/v1/chat/completions"
HI = [{"role": "user", "content": "hi"}]


async def test_a_broken_backend_does_not_look_least_busy(house: House) -> None:
    async with FakeBackend(script=Script(status=500)) as broken, FakeBackend() as well:
        await house.start(route(broken, "broken", weight=100.0), route(well, "well"))
        for number in range(20):
            reply = await house.post(CHAT, {"model": "fast", "messages": HI, "seed": number})
            assert (reply.status, reply.headers["x-sutazai-backend"]) == (200, "well")
        assert len(broken.calls) == IN_A_ROW
        stats = {each["name"]: each for each in (await house.stats())["backends"]}
        assert "cannot generate" in stats["broken"]["reason"]
        assert stats["well"]["available"] and not stats["well"]["reason"]


async def test_when_all_is_broken_calls_are_refused_without_asking(house: House) -> None:
    async with FakeBackend(script=Script(status=500), models=("m",)) as fake:
        await house.start(route(fake))
        while (await house.stats())["backends"][0]["available"]:
            assert (await house.post(CHAT, {"model": "m", "messages": HI})).status == 500
        assert len(fake.calls) == IN_A_ROW


async def test_aliases_and_versions(house: House) -> None:
    tiers = [
        {
            "name": "fast",
            "versions": [
                {"name": "old", "model": "fake-7b", "weight": 1.0},
                {"name": "new", "model": "fake-70b", "weight": 0.0},
            ],
        }
    ]
    async with FakeBackend() as fake:
        await house.start(route(fake), tiers=tiers, aliases={"gpt-4o": "fast"})
        reply = await house.post(CHAT, {"model": "gpt-4o", "messages": HI})
        assert (reply.status, reply.headers["x-sutazai-version"]) == (200, "old")
        assert fake.calls[0]["model"] == "fake-7b"
