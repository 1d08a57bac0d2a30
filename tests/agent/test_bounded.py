"""Work has a bound in time from the moment at which it waits."""

from __future__ import annotations

import asyncio

import pytest

from sutazai.agent.bounded import within

LONG = 600.0


async def test_what_does_not_wait_is_done_at_once() -> None:
    async def work() -> int:
        return 7

    assert await within(0.0, work()) == 7


async def test_what_waits_goes_on_and_gives_its_value() -> None:
    told: asyncio.Queue[int] = asyncio.Queue()

    async def work() -> list[int]:
        await asyncio.sleep(0)
        return [await told.get(), await told.get()]

    doing = asyncio.create_task(within(LONG, work()))
    await asyncio.sleep(0)
    told.put_nowait(1)
    told.put_nowait(2)
    assert await doing == [1, 2]


async def test_what_takes_too_long_is_ended() -> None:
    ended = []

    async def work() -> None:
        try:
            await asyncio.sleep(LONG)
        finally:
            ended.append(True)

    with pytest.raises(TimeoutError):
        await within(0.01, work())
    assert ended


async def test_a_bound_within_it_is_its_own() -> None:
    async def work() -> str:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(LONG)
        except TimeoutError:
            await asyncio.sleep(0)
            return "went on"
        return "was not ended"

    assert await within(LONG, work()) == "went on"


@pytest.mark.parametrize("waits", [False, True])
async def test_errors_come_out_as_they_are(waits: bool) -> None:
    async def work() -> None:
        if waits:
            await asyncio.sleep(0)
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        await within(LONG, work())


async def test_who_is_cancelled_cancels_the_work() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.sleep(LONG)
        finally:
            ended.set()

    doing = asyncio.create_task(within(LONG, work()))
    await begun.wait()
    doing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await doing
    assert ended.is_set()
