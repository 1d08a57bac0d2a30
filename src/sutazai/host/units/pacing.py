"""How many instances may be starting while much of what starts ends badly. Pure: the time comes in.

Each unit's back-off knows its own past only. A thousand units that crash would still be started
dozens of times a second, and the host, and with it those that work, would do nothing else. So every
bad end uses up an allowance that grows by ``RATE`` a second, and no more may be starting than could
end badly within it. What starts and stays uses up nothing.
"""

from __future__ import annotations

RATE = 8.0
"""Bad ends a second that go on for ever."""
BURST = 20
"""Bad ends after a quiet time that are all allowed at once."""


class Pace:
    """The allowance of one host."""

    def __init__(self) -> None:
        self._used_up = float("-inf")  # since then it has been growing from nothing

    def ended(self, now: float) -> None:
        """An instance ended badly at ``now``, in seconds on a monotonic clock.

        One that had worked for long may end while nothing is allowed: then it costs nothing, so
        that what a bad moment ended all at once is soon back.
        """
        fullest = now - BURST / RATE
        self._used_up = min(now, max(self._used_up, fullest) + 1 / RATE)

    def start_at(self, starting: int) -> float:
        """From when on one more may start beside so many that are starting; may be long ago."""
        return self._used_up + (starting + 1) / RATE
