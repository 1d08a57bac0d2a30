"""When the garbage collector runs: hardly ever, and not while calls wait.

Calls leave nothing behind that holds on to itself, which a test sees to; only rare accidents do.
Left to itself the collector runs all the same, by how much there is: the calls of a full queue are
half a million objects, and while it looks at them, 0.4 s, no slot is handed on and no token read.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

LOOK_EVERY = 2.0
"""Seconds."""

WORTH_A_LOOK = 10_000
"""New objects of which some may be garbage by accident."""

MANY = 100_000
"""New objects that are looked at even while calls wait, once they are more than all the old ones:
so what is spent on it stays a share of what was spent on making them."""


class Collector:
    """Collects when ``is_quiet`` says that nobody is kept waiting, or when much has come.

    From then on Python collects nothing by itself; what is here already stays for good.
    """

    def __init__(self, is_quiet: Callable[[], bool]) -> None:
        self._is_quiet = is_quiet
        self._old = 0
        gc.collect()
        gc.freeze()
        gc.disable()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self.look()

    def look(self) -> None:
        """Collect, if it is time to."""
        new = gc.get_count()[0]  # made and not freed again since the last collection
        if new > max(MANY, self._old) or (new > WORTH_A_LOOK and self._is_quiet()):
            gc.collect()
            self._old = len(gc.get_objects())
