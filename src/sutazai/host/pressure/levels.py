"""How short memory is: from percentages and PSI to a level. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from sutazai.fleet.status import Level
from sutazai.fleet.units import format_size

LEVELS = tuple(Level)
PERCENT = {Level.WARNING: 70.0, Level.CRITICAL: 85.0, Level.EMERGENCY: 95.0}
"""Percent of the memory in use at which each level is entered."""
STALLED = {Level.WARNING: 10.0, Level.CRITICAL: 30.0, Level.EMERGENCY: 60.0}
"""Percent of the last 10 s in which something waited for memory (PSI, ``some avg10``)."""
PLENTY = 50.0
"""Percent of the memory in use below which stalls mean nothing: whatever waits has reached a limit
of its own."""
MARGIN = 5.0
"""Points below its threshold at which a level is left."""


@dataclass(frozen=True)
class Reading:
    """Memory at one moment, in bytes; ``stalled`` is PSI in percent, None where it is not told.

    Of machine and control group, the one that is nearer to its end.
    """

    total: int
    used: int
    stalled: float | None = None

    @property
    def percent(self) -> float:
        """Used of total; 0 where nothing is known."""
        return 100.0 * self.used / self.total if self.total else 0.0

    def __str__(self) -> str:
        told = f"{self.percent:.0f} % of {format_size(self.total)} used"
        return f"{told}, stalled {self.stalled:.0f} % of the time" if self.stalled else told


def level_of(reading: Reading, before: Level) -> Level:
    """The level now. One that was entered is left 5 points below its threshold.

    Stalls make a level that is one above that of the percentages at most, and none where memory is
    plentiful: an instance that waits there has reached its own limit, and ending others would not
    help it.
    """
    return next(
        (level for level in reversed(PERCENT) if _holds(level, reading, before)), Level.NORMAL
    )


def shortage(reading: Reading, level: Level) -> int:
    """Bytes to free until ``level`` is left; as many as the margin where stalls are the reason."""
    if level is Level.NORMAL:
        return 0
    margin = round(reading.total * MARGIN / 100)
    stays_below = round(reading.total * (PERCENT[level] - MARGIN) / 100) - 1
    over = reading.used - stays_below
    return over if over > 0 else margin


def _holds(level: Level, reading: Reading, before: Level) -> bool:
    margin = MARGIN if LEVELS.index(level) <= LEVELS.index(before) else 0.0
    below = LEVELS[LEVELS.index(level) - 1]
    stalled = (reading.stalled or 0.0) >= STALLED[level] - margin
    full_enough = reading.percent >= PERCENT.get(below, PLENTY) - margin
    return reading.percent >= PERCENT[level] - margin or (stalled and full_enough)
