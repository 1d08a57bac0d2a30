"""Lets others wait for the end of a task, in this process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator


class Endings:
    """Who waits for which task. Belongs to one event loop."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = {}

    def tell(self, task_id: str) -> None:
        """A task ended."""
        for event in self._waiting.get(task_id, ()):
            event.set()

    @contextlib.contextmanager
    def watch(self, task_id: str) -> Iterator[asyncio.Event]:
        """An event that is set when the task ends, for as long as the context lasts."""
        event = asyncio.Event()
        self._waiting.setdefault(task_id, set()).add(event)
        try:
            yield event
        finally:
            self._waiting[task_id].discard(event)
            if not self._waiting[task_id]:
                del self._waiting[task_id]
