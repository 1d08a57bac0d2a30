"""Wakes everybody who waits for the next change of something."""

from __future__ import annotations

import asyncio


class Bell:
    """`wait` returns at the next `fire`. What changed is for the waiter to look at."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def fire(self) -> None:
        """Wakes all who wait now."""
        self._rung.set()
        self._rung = asyncio.Event()

    async def wait(self) -> None:
        """Waits for the next `fire`."""
        await self._rung.wait()
