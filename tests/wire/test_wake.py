"""The bell between a connection and the task that waits for it."""

from __future__ import annotations

import asyncio
import contextlib
from contextvars import ContextVar

import pytest

from sutazai.wire.wake import Wake


async def later(wake: Wake) -> None:
    """Ring from where no task runs, as a socket's callback does."""
    rung = asyncio.Event()

    def ring() -> None:
        wake.set()
        rung.set()

    asyncio.get_running_loop().call_soon(ring)
    await rung.wait()


async def test_who_waits_goes_on_within_the_call_that_rings() -> None:
    loop, seen = asyncio.get_running_loop(), list[str]()
    wake = Wake(loop)

    async def wait() -> None:
        await wake
        seen.append("went on")

    def ring() -> None:
        wake.set()
        seen.append("rang")

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    loop.call_soon(ring)
    await task
    assert seen == ["went on", "rang"]


async def test_rung_by_another_task_it_lets_that_one_go_on_first() -> None:
    wake, seen = Wake(asyncio.get_running_loop()), list[str]()

    async def wait() -> None:
        await wake
        seen.append("went on")

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    wake.set()
    seen.append("rang")
    await task
    assert seen == ["rang", "went on"]


async def test_it_can_be_rung_before_anybody_waits_and_again_and_again() -> None:
    wake = Wake(asyncio.get_running_loop())
    wake.set()
    wake.set()
    await wake
    assert not wake.awaited
    for _ in range(3):
        waiting = asyncio.create_task(_wait(wake))
        await asyncio.sleep(0)
        assert wake.awaited
        await later(wake)
        await waiting


async def _wait(wake: Wake) -> None:
    await wake


async def test_who_waits_can_be_cancelled_and_another_can_wait_after_it() -> None:
    wake = Wake(asyncio.get_running_loop())
    first = asyncio.create_task(_wait(wake))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    second = asyncio.create_task(_wait(wake))
    await asyncio.sleep(0)
    await later(wake)
    await second


async def test_cancelled_after_it_rang_the_task_is_still_cancelled() -> None:
    wake = Wake(asyncio.get_running_loop())
    task = asyncio.create_task(_wait(wake))
    await asyncio.sleep(0)
    wake.set()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(1):
        await wake  # the next one hears what it did not


async def test_rung_twice_before_it_is_heard_it_is_heard_once() -> None:
    wake, seen = Wake(asyncio.get_running_loop()), list[str]()

    async def wait() -> None:
        while True:
            await wake
            seen.append("went on")

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    wake.set()
    wake.set()
    assert not wake.awaited  # it is on its way
    for _ in range(3):
        await asyncio.sleep(0)
    assert seen == ["went on"] and wake.awaited
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_rung_after_it_was_cancelled_it_is_heard_by_the_next() -> None:
    wake = Wake(asyncio.get_running_loop())
    task = asyncio.create_task(_wait(wake))
    await asyncio.sleep(0)
    task.cancel()
    wake.set()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    async with asyncio.timeout(1):
        await wake


async def test_a_deadline_ends_the_wait() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await Wake(asyncio.get_running_loop())


async def test_the_task_keeps_its_own_context() -> None:
    variable: ContextVar[str] = ContextVar("variable", default="of the loop")
    wake, seen = Wake(asyncio.get_running_loop()), list[str]()

    async def wait() -> None:
        variable.set("of the task")
        await wake
        seen.append(variable.get())

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    await later(wake)
    await task
    assert seen == ["of the task"] and variable.get() == "of the loop"


async def test_a_task_that_fails_as_it_is_woken_does_not_disturb_who_rang() -> None:
    wake = Wake(asyncio.get_running_loop())

    async def fail() -> None:
        await wake
        raise KeyError("bug")

    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    await later(wake)
    with pytest.raises(KeyError):
        await task


async def test_a_ring_on_its_way_is_not_heard_once_more() -> None:
    wake = Wake(asyncio.get_running_loop())
    first = asyncio.create_task(_wait(wake))
    await asyncio.sleep(0)
    wake.set()  # from a task, so it is on its way
    first.cancel()
    await wake  # and heard here
    with contextlib.suppress(asyncio.CancelledError):
        await first
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await wake
