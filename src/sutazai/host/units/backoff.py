"""When an instance that ended is started again. Pure: the time and the jitter come in.

The first restart is at once; then the delay doubles from ``FIRST`` up to ``CAP``. A minute of good
health forgets the past. After ``LIMIT`` ends without one the unit has failed, and only a person
(or a new version) starts it again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

FIRST = 0.5
CAP = 60.0
LIMIT = 8
HEALTHY_FOR = 60.0
JITTER = 0.2


@dataclass(frozen=True)
class Backoff:
    """The past of one unit: how often it ended in a row, and when it may start next.

    ``patient`` units (the planes) never fail for good: they are tried again at the cap.
    """

    patient: bool = False
    ends: int = 0
    start_at: float = 0.0
    failed: bool = False

    def ended(self, *, now: float, healthy_for: float, jitter: float) -> Backoff:
        """The state after an unwanted end.

        Args:
            now: seconds, on the clock of ``start_at``.
            healthy_for: seconds that the instance was in good health.
            jitter: a random number from 0 to 1; spreads restarts by ±``JITTER``.
        """
        ends = 1 if healthy_for >= HEALTHY_FOR else self.ends + 1
        if ends >= LIMIT and not self.patient:
            return replace(self, ends=ends, failed=True)
        return replace(self, ends=ends, start_at=now + delay(ends, jitter))

    def forgiven(self) -> Backoff:
        """The state after a person asked for a start, or a new version came."""
        return Backoff(patient=self.patient)


def delay(ends: int, jitter: float) -> float:
    """Seconds to wait after the ``ends``-th end in a row (1 is the first)."""
    if ends <= 1:
        return 0.0
    spread = 1 + JITTER * (2 * jitter - 1)
    doublings = min(ends - 2, 16)  # far beyond the cap, and still a small number
    return min(CAP, FIRST * (1 << doublings)) * spread
