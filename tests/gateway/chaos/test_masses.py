"""Many clients: that wait, that do not read, that come at once. The gateway's memory is bounded,
and nobody is lost or answered twice."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sutazai.fleet.declared import Priority
from sutazai.fleet.routes import Key
from tests.gateway.asking import TEXT, ask, chat, queued, said
from tests.gateway.chaos.crowd import MIB, Crowd, allow_many_sockets, memory
from tests.gateway.conftest import until
from tests.gateway.fake_backend import FakeBackend, Script
from tests.gateway.house import KEY, House, route
from tests.gateway.test_process import gateway, ready

KEYS = (Key(name="planner", secret=KEY, priority=Priority.HIGH),)


@asynccontextmanager
async def running(outside: House, fake: FakeBackend, slots: int) -> AsyncIterator[Process]:
    allow_many_sockets()
    async with gateway(outside.places) as process:
        await ready(outside)
        await outside.route(route(fake, slots=slots), keys=KEYS)
        await outside.wait_for(lambda stats: stats["backends"][0]["available"])
        yield process


def crowd(outside: House, number: int, *, buffer: int = 0, **more: Any) -> Crowd:
    bodies = [chat(f"call {each}", **more) for each in range(number)]
    return Crowd(outside.sockets.ports["gateway"], bodies, buffer=buffer)


async def wait_in_the_queue(outside: House, number: int) -> float:
    """So many wait, then all are answered; gives the KiB of memory that each took."""
    hold = asyncio.Event()
    async with (
        FakeBackend(script=Script(hold=hold)) as fake,
        running(outside, fake, slots=32) as process,
    ):
        before = memory(process.pid)
        with crowd(outside, number) as clients:
            await asyncio.to_thread(clients.send)
            async with asyncio.timeout(60):
                while sum((await outside.stats())["queued"].values()) < number - 32:
                    await asyncio.sleep(0.05)
            each = (memory(process.pid) - before) / number / 1024
            hold.set()
            async with asyncio.timeout(120):
                answers = await asyncio.to_thread(clients.answers)
        assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
        assert all(answer.count(b"HTTP/1.1") == 1 for answer in answers)
        words = [entry.words for entry in fake.ledger]
        assert len(words) == len(set(words)) == number
        stats = await outside.wait_for(lambda stats: not stats["running"])
        assert stats["done"] == number
        assert fake.most_running == 32
    return each


async def test_a_thousand_wait_at_once(outside: House) -> None:
    assert await wait_in_the_queue(outside, 1000) < 40


@pytest.mark.soak
async def test_ten_thousand_wait_at_once(outside: House) -> None:
    assert await wait_in_the_queue(outside, 10_000) < 40


async def not_read(outside: House, number: int) -> float:
    """So many streams that nobody reads; gives the KiB of memory that each takes."""
    long = Script(tokens=("x" * 40_000,) * 1000)  # 40 MB, more than kernels hold
    async with (
        FakeBackend(script=long) as fake,
        running(outside, fake, slots=number + 4) as process,
    ):
        before = memory(process.pid)
        with crowd(outside, number, buffer=4096, stream=True) as clients:
            await asyncio.to_thread(clients.send)
            await until(lambda: fake.running == number)
            await settled(process)
            each = (memory(process.pid) - before) / number / 1024
            fake.script = Script()
            async with asyncio.timeout(60):
                replies = [await ask(outside, chat("other"), key=KEY) for _ in range(10)]
            assert [said(reply) for reply in replies] == [TEXT] * 10
        await outside.wait_for(lambda stats: not stats["running"])
        await until(lambda: fake.running == 0)
    return each


async def settled(process: Process) -> None:
    """Until its memory does not grow any more."""
    before = 0
    async with asyncio.timeout(60):
        while (now := memory(process.pid)) > before + MIB:
            before = now
            await asyncio.sleep(0.5)


async def test_streams_that_nobody_reads_hold_little(outside: House) -> None:
    assert await not_read(outside, 100) < 600


@pytest.mark.soak
async def test_a_thousand_streams_that_nobody_reads(outside: House) -> None:
    assert await not_read(outside, 1000) < 600


async def test_five_hundred_streams_at_once(outside: House) -> None:
    async with FakeBackend() as fake, running(outside, fake, slots=1000):
        with crowd(outside, 500, stream=True) as clients:
            await asyncio.to_thread(clients.send)
            async with asyncio.timeout(100):
                answers = await asyncio.to_thread(clients.answers)
        assert all(answer.count(b"data: [DONE]") == 1 for answer in answers)
        words = [entry.words for entry in fake.ledger]
        assert len(words) == len(set(words)) == 500


async def test_a_crowd_that_leaves_the_queue_leaves_nothing(outside: House) -> None:
    hold = asyncio.Event()
    async with (
        FakeBackend(script=Script(hold=hold)) as fake,
        running(outside, fake, slots=1) as process,
    ):
        before = memory(process.pid)
        for _ in range(3):
            with crowd(outside, 300, stream=True) as clients:
                await asyncio.to_thread(clients.send)
                await outside.wait_for(lambda stats: sum(stats["queued"].values()) >= 299)
            await queued(outside, 0)
        assert memory(process.pid) - before < 40 * MIB
        hold.set()
        await outside.wait_for(lambda stats: not stats["running"])
