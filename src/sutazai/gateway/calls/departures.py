"""Sees clients off that left: their backend is told to stop, and the slot is busy until it has."""

from __future__ import annotations

import asyncio

from sutazai.gateway.queue.admission import Slot
from sutazai.wire import Sent

STOP_WAIT = 2.0
"""Seconds that a backend has to stop; after that its slot counts as free whatever it does."""


class Departures:
    """Owns the requests to backends whose answers nobody wants any more."""

    def __init__(self, wait: float = STOP_WAIT) -> None:
        self._wait = wait
        self._tasks: set[asyncio.Task[None]] = set()

    def see_off(self, sent: Sent, slot: Slot) -> None:
        """``slot`` is released once the backend has stopped working on ``sent``."""
        slot.linger()
        task = asyncio.create_task(self._stop(sent, slot), name="departure")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Waits for nobody: connections are cut."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _stop(self, sent: Sent, slot: Slot) -> None:
        try:
            await sent.abandon(self._wait)
        finally:
            slot.release()
