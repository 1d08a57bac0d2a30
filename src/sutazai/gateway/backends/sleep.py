"""Notices that this machine slept. Pure: both clocks' times go in.

While a laptop sleeps the monotonic clock stands still and the wall clock goes on, so that after it
the two have drifted apart. What fails right after that is nobody's fault: the network is not back
yet, and every connection is stale.
"""

from __future__ import annotations

JUMP = 5.0
"""Seconds by which the wall clock must have got ahead; less is a clock being set right."""

WAKING = 15.0
"""Seconds after it for which failed calls are no backend's fault."""


class SleepWatch:
    """Compares the clocks whenever it is asked.

    Args:
        now, wall: the monotonic clock's and the wall clock's time, in seconds.
    """

    def __init__(self, now: float, wall: float) -> None:
        self._apart = wall - now
        self._woke = float("-inf")

    def woke(self, now: float, wall: float) -> bool:
        """Whether the machine has slept since this was last asked."""
        apart, self._apart = self._apart, wall - now
        if wall - now - apart < JUMP:
            return False
        self._woke = now
        return True

    def is_waking(self, now: float) -> bool:
        """Whether it woke a moment ago."""
        return now - self._woke < WAKING
