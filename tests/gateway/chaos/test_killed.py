"""The gateway's own process killed under load, and started again with the same state."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sutazai.fleet.errors import SutazaiError
from tests.gateway.asking import OPENAI, PATH, TEXT, chat, recorded, said
from tests.gateway.conftest import until
from tests.gateway.fake_backend import FakeBackend, Script
from tests.gateway.house import KEY, House, Reply, route
from tests.gateway.test_process import gateway, ready


async def one_call(house: House, number: int) -> Reply | SutazaiError:
    body = chat(f"call {number}", stream=number % 2 > 0)
    try:
        return await house.post(PATH[OPENAI], body, key=KEY)
    except SutazaiError as error:
        return error


async def killed_under_load(outside: House, fake: FakeBackend, number: int) -> list[bool]:
    """One life of the gateway, and its end; whether each call was answered."""
    async with gateway(outside.places) as process:
        await ready(outside)
        await outside.route(route(fake, slots=4))
        await outside.wait_for(lambda stats: stats["backends"][0]["available"])
        assert isinstance(await one_call(outside, number), Reply)
        await recorded(outside, "/calls", 1)  # whoever reads has it written
        before = len(fake.ledger)
        calls = [asyncio.create_task(one_call(outside, each)) for each in range(number)]
        await until(lambda: len(fake.ledger) > before + number // 3)
        process.kill()
        await process.wait()
        async with asyncio.timeout(25):  # errors, no hangs
            replies = await asyncio.gather(*calls)
        await until(lambda: fake.running == 0)
    for reply in replies:
        if isinstance(reply, Reply):
            assert reply.status == 200 and said(reply) == TEXT
    return [isinstance(reply, Reply) for reply in replies]


def assert_sound(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def lives(outside: House, number: int, calls: int) -> None:
    """So many lives, each ended by a kill; then one that serves and remembers."""
    async with FakeBackend(script=Script(delay=0.01)) as fake:
        answered = 0
        for _ in range(number):
            told = await killed_under_load(outside, fake, calls)
            assert any(told) and not all(told)
            answered += 1 + sum(told)
        fake.script = Script()
        async with gateway(outside.places):
            await ready(outside)
            async with asyncio.timeout(60):
                reply = await one_call(outside, 0)
            assert isinstance(reply, Reply) and said(reply) == TEXT
            rows = await recorded(outside, "/calls?limit=10000", 1)
            assert len({row["id"] for row in rows}) == len(rows)
            # What ended within the last two seconds of a life may be missing.
            assert number < len(rows) <= answered + number * 4 + 1
        assert_sound(outside.places.calls)


async def test_clients_get_errors_and_the_record_survives(outside: House) -> None:
    await lives(outside, 2, 60)


@pytest.mark.soak
async def test_killed_many_times(outside: House) -> None:
    await lives(outside, 20, 200)
