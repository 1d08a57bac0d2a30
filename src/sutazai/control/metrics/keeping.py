"""Keeps the history in a thread of its own, and says once when it cannot."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from sutazai.control.feed import EventFeed
from sutazai.fleet.errors import SutazaiError, Unavailable
from sutazai.observe.history import CHOSEN, History, Points, Query
from sutazai.observe.history.rates import Rates
from sutazai.observe.samples import Sample

log = logging.getLogger(__name__)

T = TypeVar("T")


class Keeping:
    """The history of one fleet.

    Attributes:
        recording: whether the last look could be kept.
    """

    def __init__(self, path: Path, feed: EventFeed) -> None:
        self.recording = True
        self._history = History(path)
        self._feed = feed
        self._rates = Rates()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="history")

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._history.size

    async def keep(self, samples: Iterable[Sample], *, at: float, now: float) -> None:
        """Keeps one look at those that are worth it; never raises for the disk's sake.

        ``at`` is in seconds since 1970, ``now`` of a clock that never jumps.
        """
        chosen = (sample for sample in samples if sample.name in CHOSEN)
        try:
            await self._run(lambda: self._history.record(at, self._rates.told(chosen, now)))
        except Unavailable as error:
            await self._tell(False, f"the history is not kept: {error.message}")
        else:
            await self._tell(True, "the history is kept again")

    async def read(self, query: Query) -> list[Points]:
        """What is asked for. Raises Unavailable."""
        return await self._run(partial(self._history.read, query))

    def close(self) -> None:
        """Lets what was begun end, and lets go of the file."""
        self._thread.submit(self._history.close)
        self._thread.shutdown(wait=True)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.wrap_future(self._thread.submit(work))

    async def _tell(self, recording: bool, message: str) -> None:
        """Once, when it changes."""
        if recording == self.recording:
            return
        self.recording = recording
        log.warning("%s", message)
        try:
            await self._feed.add("history", message)
        except SutazaiError as error:  # the same disk may be full for the events, too
            log.warning("no event could be kept: %s", error)
