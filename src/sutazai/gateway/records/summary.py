"""The figures of the last minutes, from the newest calls. Pure: time goes in."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, MutableSequence, Sequence
from dataclasses import dataclass
from itertools import compress
from operator import add
from typing import Any

from sutazai.gateway.records.call import CallRecord, Outcome, fields

WINDOW = 300.0
"""Seconds that are looked back over."""

CALLS = 4_096
"""Calls that are remembered; where more end within `WINDOW`, the window is shorter."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """In seconds; nought where there was no call."""

    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class Summary:
    """What the calls of the last ``window`` seconds were like.

    Args:
        calls: how many ended.
        calls_per_minute: however they ended.
        wait: in the queue, of the calls that were answered.
        total: from their coming to the end of their answer, of the same calls.
        tokens_per_second: of answers, by backend, over the whole window.
    """

    window: float
    calls: int
    calls_per_minute: float
    wait: Percentiles
    total: Percentiles
    tokens_per_second: dict[str, float]


_ended = fields("at", "total", "queued", "completion_tokens", "backend", "outcome")


class Recent:
    """Remembers the newest calls, an `Observer`.

    It does so in columns, for objects of their own take long to let go.
    """

    __slots__ = ("_columns", "_limit")

    def __init__(self, limit: int = CALLS) -> None:
        self._limit = limit
        times = array("d"), array("d"), array("d")
        self._columns: tuple[MutableSequence[Any], ...] = (*times, [], [], [])

    def observe(self, records: Iterable[CallRecord]) -> None:
        """Calls ended."""
        added = zip(*map(_ended, records), strict=True)  # none where there are no calls
        for column, values in zip(self._columns, added, strict=False):
            column.extend(values)
        if len(self._columns[0]) > 2 * self._limit:
            for column in self._columns:
                del column[: -self._limit]

    def summary(self, now: float) -> Summary:
        """As of ``now``, in seconds since 1970."""
        at, total, queued, tokens, backends, outcomes = self._columns
        ends = list(map(add, at[-self._limit :], total[-self._limit :]))
        window = WINDOW
        if len(ends) == self._limit:
            window = min(window, max(now - ends[0], 1.0))
        # They are in the order of their ends, as far as the machine's clock goes forward.
        count = len(ends) - bisect_left(ends, now - window)
        first = len(at) - count
        done = [outcome == Outcome.DONE for outcome in outcomes[first:]]
        return Summary(
            window=window,
            calls=count,
            calls_per_minute=60 * count / window,
            wait=_percentiles(compress(queued[first:], done)),
            total=_percentiles(compress(total[first:], done)),
            tokens_per_second=_rates(backends[first:], tokens[first:], window),
        )


def _rates(backends: Sequence[str], tokens: Sequence[int], window: float) -> dict[str, float]:
    sums: dict[str, int] = {}
    for backend, count in zip(backends, tokens, strict=True):
        if backend:
            sums[backend] = sums.get(backend, 0) + count
    return {backend: count / window for backend, count in sums.items()}


def _percentiles(unsorted: Iterable[float]) -> Percentiles:
    """By nearest rank."""
    values = sorted(unsorted)
    if not values:
        return Percentiles(0.0, 0.0)
    return Percentiles(*(values[-(-len(values) * percent // 100) - 1] for percent in (50, 95)))
