"""When a schedule begins: cron by the clock of a time zone, jitter, windows. Pure.

A *time* is what the cron expression says, a *start* when its work may begin: later by the jitter,
and then not before the window opens. Both are seconds since 1970, and both never fall.

Clocks that change are handled as Debian's cron does: a time of day that does not exist begins as
soon as the clock has jumped over it, and one that exists twice begins the first time. What begins
every so many minutes or hours (``*`` there) goes on evenly.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice, takewhile

from cronsim import CronSim

from sutazai.fleet.scheduling import Schedule, parse_window


class Times:
    """The times of one schedule."""

    def __init__(self, name: str, schedule: Schedule) -> None:
        self._cron, self._zone = schedule.cron, schedule.zone
        self._window = parse_window(schedule.between) if schedule.between else None
        self._jitter = _share(name) * schedule.jitter

    def after(self, moment: float) -> Iterator[float]:
        """Its times after a moment, without an end; none where 50 years have none."""
        for time in CronSim(self._cron, datetime.fromtimestamp(moment, self._zone)):
            if (found := time.timestamp()) > moment:
                yield found

    def between(self, moment: float, now: float, *, limit: int) -> list[float]:
        """Its times after a moment whose start has come: the last ones, about ``limit``."""
        found = self._come(moment, now, limit + 1)
        if len(found) <= limit:
            return found
        lowest = max(moment, self._back(now - self._jitter, limit))
        return self._come(lowest, now, None)[-limit:]

    def start(self, time: float) -> float:
        """When the work of one of its times may begin."""
        return self.opening(time + self._jitter)

    def opening(self, moment: float) -> float:
        """``moment`` where the window is open then, else when it opens next."""
        if self._window is None or self._is_open(moment):
            return moment
        return self._next(moment, 0)

    def closing(self, moment: float) -> float | None:
        """When the window that is open at ``moment`` closes; None for one that never does."""
        return None if self._window is None else self._next(moment, 1)

    def _come(self, moment: float, now: float, most: int | None) -> list[float]:
        """The first of its times after a moment whose start has come by now."""
        come = takewhile(lambda time: self.start(time) <= now, self.after(moment))
        return list(islice(come, most))

    def _is_open(self, moment: float) -> bool:
        # Not by the time of day: where a clock goes back, the same one comes twice.
        return self._next(moment, 1) < self._next(moment, 0)

    def _next(self, moment: float, end: int) -> float:
        """When the window opens (0) or closes (1) next after a moment."""
        assert self._window is not None  # noqa: S101 (for the type)
        day = datetime.fromtimestamp(moment, self._zone).date() - timedelta(days=1)
        while True:
            at = datetime.combine(day, self._window[end], self._zone).timestamp()
            if at > moment:
                return at
            day += timedelta(days=1)

    def _back(self, moment: float, limit: int) -> float:
        """A moment after which it has some ``limit`` times until ``moment``."""
        past = CronSim(self._cron, datetime.fromtimestamp(moment, self._zone), reverse=True)
        times = [time.timestamp() for time in islice(past, limit + 1)]
        return times[-1] - 1.0 if len(times) > limit else 0.0


def _share(name: str) -> float:
    """From 0 to 1, always the same for a name."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48
