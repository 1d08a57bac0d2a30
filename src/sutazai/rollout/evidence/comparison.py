"""What every comparison of two arms offers, and the verdict that follows. Needs SciPy.

Effects are on a scale where 0 is no difference and more is worse: differences of shares, or
logarithms of ratios.

A metric *fails* where the evidence that green is beyond the limit reaches the level for alarms. It
*passes* where the evidence that the effect to be ruled out is not there reaches the level for
misses, while there is no such evidence that it is beyond the limit. In between it is inconclusive.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self

from sutazai.fleet.rollout_findings import Verdict

NINETEEN_OF_TWENTY = 1.645
_STEPS = 14


class Comparison(Protocol):
    """Two arms compared by one metric."""

    @property
    def estimate(self) -> float: ...

    @property
    def widest(self) -> float:
        """No effect is beyond this or its negative."""

    def worse(self, than: float) -> float:
        """Log evidence that the effect is more than this."""

    def better(self, than: float) -> float:
        """Log evidence that it is less than this."""

    def supposing(self, effect: float) -> Self:
        """What a sample of this size would have shown on average, had this been the effect."""


@dataclass(frozen=True, slots=True)
class Levels:
    """Log evidence that is asked for.

    Bonferroni's correction: the chance of a false alarm is shared out evenly among all metrics of
    all stages. One failure decides, so Holm's procedure, whose first step is the same, could not
    reject sooner; and evidence that may be looked at any time needs no share for its looks.
    """

    alarm: float
    miss: float

    @classmethod
    def of(cls, false_alarms: float, misses: float, *, tests: int) -> Levels:
        """Of the chances that a whole rollout may have, over so many tests."""
        return cls(math.log(tests / false_alarms), math.log(1 / misses))

    @property
    def nearly_sure(self) -> float:
        """What an effect brings on average that brings the level for alarms in 95 of 100 cases.

        Evidence grows as half the square of a normal deviate.
        """
        return (math.sqrt(2 * self.alarm) + NINETEEN_OF_TWENTY) ** 2 / 2


def verdict_of(comparison: Comparison, levels: Levels, *, limit: float, effect: float) -> Verdict:
    """The verdict; its reasons are more work (`at_least`, `at_most`, `could_see`)."""
    beyond = evidence_beyond(comparison, limit)
    if beyond >= levels.alarm:
        return Verdict.FAIL
    if beyond < levels.miss and comparison.better(effect) >= levels.miss:
        return Verdict.PASS
    return Verdict.INCONCLUSIVE


def evidence_beyond(comparison: Comparison, limit: float) -> float:
    """Log evidence that the effect is beyond the limit; none where it was not even seen to be."""
    return comparison.worse(limit) if comparison.estimate > limit else 0.0


def at_least(comparison: Comparison, levels: Levels) -> float | None:
    """The effect is worse than this."""
    ends = (-comparison.widest, comparison.estimate)
    return _edge(lambda effect: comparison.worse(effect) >= levels.alarm, *ends)


def at_most(comparison: Comparison, levels: Levels) -> float | None:
    """The effect is better than this."""
    ends = (comparison.widest, comparison.estimate)
    return _edge(lambda effect: comparison.better(effect) >= levels.miss, *ends)


def could_see(comparison: Comparison, levels: Levels, *, limit: float) -> float | None:
    """The smallest effect that a sample of this size finds in 95 of 100 cases."""

    def found(effect: float) -> bool:
        return comparison.supposing(effect).worse(limit) >= levels.nearly_sure

    return _edge(found, comparison.widest, limit)


def _edge(holds: Callable[[float], bool], inside: float, outside: float) -> float | None:
    """Where it stops to hold on the way from ``inside`` to ``outside``, by halving."""
    if inside == outside or not holds(inside):
        return None
    for _ in range(_STEPS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if holds(middle) else (inside, middle)
    return inside
