"""Calls that have ended, on their way to all who observe them.

Telling somebody of a call takes microseconds, of which most go by until code and data are in the
processor's caches. So a call only leaves its record here, and many are told at once.
"""

from __future__ import annotations

import asyncio

from sutazai.gateway.records.call import CallRecord, Observer

SOON = 0.25
"""Seconds after which a call that ended is told at the latest."""

MANY = 256
"""Calls that wait at most: to tell of them takes a millisecond, in which nobody is served."""


class Ledger:
    """Tells ``observers`` of the calls that end: soon, or when somebody looks at what they know,
    who calls `settle` before."""

    def __init__(self) -> None:
        self.observers: tuple[Observer, ...] = ()
        self._waiting: list[CallRecord] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, record: CallRecord) -> None:
        """A call ended."""
        waiting = self._waiting
        waiting.append(record)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SOON, self.settle)
        elif len(waiting) >= MANY:
            self.settle()

    def settle(self) -> None:
        """Tells of all that ended so far."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, []
        for observer in self.observers:
            observer.observe(waiting)
