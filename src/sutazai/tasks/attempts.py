"""Makes attempts until one succeeds or the rule says to give up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sutazai.fleet.errors import SutazaiError
from sutazai.tasks.retries import Retries

T = TypeVar("T")


async def attempt(
    work: Callable[[], Awaitable[T]],
    retries: Retries,
    on_failure: Callable[[SutazaiError], Awaitable[None]],
) -> T:
    """What ``work`` gives, in as many attempts as ``retries`` allows; the last error otherwise.

    ``on_failure`` hears of each failed attempt that another one follows.
    """
    failures = 0
    while True:
        try:
            return await work()
        except SutazaiError as error:
            failures += 1
            delay = retries.delay(failures, error)
            if delay is None:
                raise
            await on_failure(error)
        await asyncio.sleep(delay)
