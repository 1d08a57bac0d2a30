"""Sees clients off that left: their backend is told to stop, and the slot is busy until it has."""

from __future__ import annotations

import asyncio
from typing import Protocol

from sutazai.gateway.queue.admission import Slot

STOP_WAIT = 2.0
"""Seconds that a backend has to stop; after that its slot counts as free whatever it does."""


class Asked(Protocol):
    """What a backend was asked: a request that was sent, or the response to it."""

    def drop(self) -> None:
        """Nobody wants the rest: the connection is dropped at once, where there is a rest."""

    async def abandon(self, grace: float) -> None:
        """Nobody wants the rest: until the backend has stopped, ``grace`` seconds at most."""


class Departures:
    """Owns the answers that nobody wants any more."""

    def __init__(self, wait: float = STOP_WAIT) -> None:
        self._wait = wait
        self._tasks: set[asyncio.Task[None]] = set()

    def see_off(self, asked: Asked, slot: Slot) -> None:
        """``slot`` is released once the backend has stopped working on ``asked``."""
        slot.linger()
        task = asyncio.create_task(self._stop(asked, slot), name="departure")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Waits for nobody: connections are cut."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _stop(self, asked: Asked, slot: Slot) -> None:
        try:
            await asked.abandon(self._wait)
        finally:
            slot.release()
