"""What is counted of calls: the metrics, and the figures of the last minutes.

A call only leaves its record here. Counting waits until there are `MANY`, or until somebody looks:
many are counted a column at a time, and with what that takes in the processor's caches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sutazai.gateway.cells import Gauges
from sutazai.gateway.metrics import Metrics
from sutazai.gateway.records.call import CallRecord
from sutazai.gateway.records.summary import Recent, Summary
from sutazai.gateway.stats import Counters

MANY = 256
"""Calls that are counted at once: it takes half a millisecond, in which nobody is served."""


class Tally:
    """Counts calls, an `Observer`. Whatever it tells has all calls in it."""

    __slots__ = ("_metrics", "_recent", "_waiting")

    def __init__(self) -> None:
        self._metrics = Metrics()
        self._recent = Recent()
        self._waiting: list[CallRecord] = []

    def observe(self, record: CallRecord) -> None:
        """A call ended."""
        waiting = self._waiting
        waiting.append(record)
        if len(waiting) >= MANY:
            self._count()

    def declare(self, callers: Mapping[str, str]) -> None:
        """The agents and clients that there are from now on, each with its group."""
        self._count()
        self._metrics.declare(callers)

    def counters(self) -> Counters:
        self._count()
        return self._metrics.totals()

    def summary(self, now: float) -> Summary:
        """As of ``now``, in seconds since 1970."""
        self._count()
        return self._recent.summary(now)

    def render(self, gauges: Gauges) -> Iterator[bytes]:
        """The text for Prometheus, a family of metrics at a time."""
        self._count()
        return self._metrics.render(gauges)

    def _count(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._metrics.count(waiting)
        self._recent.count(waiting)
