"""Ends what a door waits for when the task that it serves is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from sutazai.fleet.errors import TaskStopped

T = TypeVar("T")


class Stoppable:
    """Waits for one thing after the other, until it is stopped."""

    def __init__(self) -> None:
        self._why: TaskStopped | None = None
        self._bound: asyncio.Timeout | None = None

    def stop(self, why: TaskStopped) -> None:
        """What is waited for is cancelled, and `wait` raises ``why``, now and later."""
        self._why = why
        if self._bound is not None:
            self._bound.reschedule(asyncio.get_running_loop().time())

    async def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """What ``work`` gives. Raises TaskStopped, and what ``work`` raises."""
        if self._why is not None:
            work.close()
            raise self._why
        try:
            async with asyncio.timeout(None) as self._bound:
                return await work
        except TimeoutError as cause:
            if self._why is None:
                raise
            raise self._why from cause
        finally:
            self._bound = None
