"""The fleet's one event log: what control does, and what the host tells, in one order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from sutazai.fleet.status import Event
from sutazai.store import Events

PAGE = 500


class EventFeed:
    """Stores events and wakes those who follow them."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._new = asyncio.Event()

    async def add(self, kind: str, message: str, *, unit: str | None = None, **data: Any) -> None:
        """Something that control did or noticed."""
        event = Event(
            sequence=0,
            at=time.time(),
            source="control",
            kind=kind,
            unit=unit,
            message=message,
            data=data,
        )
        await self._events.add([event])
        self._wake()

    async def take_over(self, source: str, events: Sequence[Event]) -> None:
        """Stores what another process told, in order, once: what was taken before is left out."""
        position = await self._events.position(source)
        new = [event for event in events if event.sequence > position]
        if new:
            await self._events.add_from(source, new, new[-1].sequence)
            self._wake()

    async def position(self, source: str) -> int:
        """The last sequence taken over from ``source``."""
        return await self._events.position(source)

    async def newest(self, limit: int, *, after: int = 0, unit: str | None = None) -> list[Event]:
        """The last events after a sequence, oldest first."""
        return await self._events.newest(limit, after=after, unit=unit)

    async def follow(self, after: int) -> AsyncIterator[Event]:
        """Every event after a sequence, and then each as it comes; without an end."""
        while True:
            new = self._new
            page = await self._events.after(after, limit=PAGE)
            for event in page:
                after = event.sequence
                yield event
            if not page:
                await new.wait()

    def _wake(self) -> None:
        self._new.set()
        self._new = asyncio.Event()
