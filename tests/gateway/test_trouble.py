"""Trouble on purpose: requests are cut or come late, for a while and no longer."""

from __future__ import annotations

import asyncio

import pytest

from sutazai.fleet.errors import BadInput, PeerClosed
from sutazai.gateway.trouble import Trouble, TroubleOrder
from tests.gateway.asking import ask, chat
from tests.gateway.fake_backend import FakeBackend
from tests.gateway.house import House, route


def test_it_ends_by_itself() -> None:
    now, orders = 100.0, list[float]()
    trouble = Trouble(lambda: orders.append(now), lambda: now)
    assert not trouble.is_on
    trouble.order(TroubleOrder(drop=1.0, lasts=5.0))
    assert trouble.is_on
    assert orders == [100.0]
    now = 105.0
    assert not trouble.is_on


async def test_requests_are_cut_until_another_order_comes(house: House) -> None:
    async with FakeBackend() as fake:
        await house.start(route(fake))
        for _ in range(2):
            for _ in range(4):  # what repeats is served by a shorter way
                assert (await ask(house, chat())).status == 200
            before = len(fake.calls)
            await house.api("PUT", "/trouble", {"drop": 1.0, "lasts": 60.0})
            with pytest.raises(PeerClosed):
                await ask(house, chat())
            assert len(fake.calls) == before
            assert (await house.stats())["done"] == before, "who looks after it is let through"
            await house.api("PUT", "/trouble", {"lasts": 0.0})


async def test_a_share_is_cut_and_the_rest_is_served(house: House) -> None:
    async with FakeBackend() as fake:
        await house.start(route(fake, slots=10))
        await house.api("PUT", "/trouble", {"drop": 0.5, "delay": 0.01, "lasts": 60.0, "seed": 1})
        calls = [ask(house, chat()) for _ in range(40)]
        replies = await asyncio.gather(*calls, return_exceptions=True)
        served = [reply for reply in replies if not isinstance(reply, BaseException)]
        assert {reply.status for reply in served} == {200}
        assert 0 < len(served) == len(fake.calls) < 40


async def test_nonsense_is_refused(house: House) -> None:
    await house.start()
    for order in ({"drop": 2.0, "lasts": 1.0}, {"delay": -1.0, "lasts": 1.0}, {"drop": 0.5}):
        with pytest.raises(BadInput):
            await house.api("PUT", "/trouble", order)
