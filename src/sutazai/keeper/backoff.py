"""When a host that ended is started again. Pure: no clock, no process."""

from __future__ import annotations

FIRST_WAIT = 0.5
LONGEST_WAIT = 10.0
HEALTHY = 60.0
_DOUBLINGS = 8  # enough to pass LONGEST_WAIT; keeps the power small after weeks of crashes


class Backoff:
    """At once the first time, then after waits that double up to ``LONGEST_WAIT`` seconds.

    A host that lived ``HEALTHY`` seconds has earned a fresh start.
    """

    __slots__ = ("_ends",)

    def __init__(self) -> None:
        self._ends = 0

    def ended(self, *, started: float, now: float) -> float:
        """The time of the next start of a host that was started at ``started`` and ended now."""
        if now - started >= HEALTHY:
            self._ends = 0
        self._ends += 1
        return now + self._wait()

    def _wait(self) -> float:
        if self._ends == 1:
            return 0.0
        doublings = min(self._ends - 2, _DOUBLINGS)
        return min(LONGEST_WAIT, FIRST_WAIT * float(2**doublings))
