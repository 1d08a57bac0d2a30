"""While a call waits, whoever keeps a slot is told to lose no time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sutazai.gateway.queue.admission import Admission, Slot
from sutazai.gateway.state import NO_ROUTES
from tests.gateway.queue.stories import backend, entry


class Hurry:
    """Counts those who are in a hurry."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1


async def acquire(admission: Admission, name: str) -> Slot:
    slot = admission.enter(admission.clock(), entry(name))
    await admission.await_turn(slot)
    return slot


async def waits(admission: Admission, name: str) -> asyncio.Task[Slot]:
    task = asyncio.create_task(acquire(admission, name))
    await asyncio.sleep(0)
    return task


async def test_only_while_a_call_waits_somebody_is_in_a_hurry() -> None:
    hurry = Hurry()
    admission = Admission(NO_ROUTES.queue, hurry)
    admission.update_backends([backend()])
    running = await acquire(admission, "running")
    assert hurry.count == 0
    first, second = await waits(admission, "first"), await waits(admission, "second")
    assert hurry.count == 2
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert hurry.count == 1
    running.release()
    slot = await first
    assert hurry.count == 0
    slot.release()
    admission.close()
