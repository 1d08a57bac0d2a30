"""Tells listeners in this process how runs go on: a slow one skips to the newest state."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from sutazai.fleet.work import Run


class Watch:
    """One listener's place for the newest state of a run."""

    def __init__(self) -> None:
        self._newest: asyncio.Queue[Run] = asyncio.Queue(1)

    def put(self, run: Run) -> None:
        """Replaces what was not taken yet."""
        if self._newest.full():
            self._newest.get_nowait()
        self._newest.put_nowait(run)

    async def next(self) -> Run:
        """Waits for a state that was not taken yet."""
        return await self._newest.get()


class Progress:
    """Hands each new state of a run to those who watch it. Belongs to one event loop."""

    def __init__(self) -> None:
        self._watches: dict[str, set[Watch]] = {}

    def publish(self, run: Run) -> None:
        """Tells every watcher of this run."""
        for watch in self._watches.get(run.id, ()):
            watch.put(run)

    @contextmanager
    def watch(self, run_id: str) -> Iterator[Watch]:
        """Listens to one run for as long as the context lasts."""
        watch = Watch()
        self._watches.setdefault(run_id, set()).add(watch)
        try:
            yield watch
        finally:
            self._watches[run_id].discard(watch)
            if not self._watches[run_id]:
                del self._watches[run_id]
