"""A deadline that is moved often and rarely met."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


def _tell_nobody() -> None:
    pass


class LazyTimer:
    """Calls ``callback`` when the time last given to `set` has come.

    Moving the deadline back, or taking it away, touches no timer of the loop: the one that is armed
    looks at the deadline when it fires. A request thus costs two assignments and no timer.

    Attributes:
        deadline: the loop's time at which it fires, None where it does not.
        seconds: what `set` was last given.
    """

    __slots__ = ("_armed_for", "_callback", "_handle", "_loop", "_time", "deadline", "seconds")

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._time = loop.time
        self._callback = callback
        self.seconds: float | None = None
        self.deadline: float | None = None
        self._armed_for = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def set(self, seconds: float | None) -> None:
        """Fire in ``seconds``, or not at all."""
        self.seconds = seconds
        if seconds is None:
            self.deadline = None
            return
        self.deadline = deadline = self._time() + seconds
        if self._handle is None or deadline < self._armed_for:
            self._arm(deadline)

    def close(self) -> None:
        """Never fire again, and let go whom it would have called."""
        self.deadline = None
        self._callback = _tell_nobody
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self, deadline: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._armed_for = deadline
        self._handle = self._loop.call_at(deadline, self._fire)

    def _fire(self) -> None:
        self._handle = None
        if self.deadline is None:
            return
        if self._time() < self.deadline:
            self._arm(self.deadline)
            return
        self.deadline = None
        self._callback()
