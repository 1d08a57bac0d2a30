"""The figures of the last minutes, from the newest calls. Pure: time goes in."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, MutableSequence, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

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


class _Ended(NamedTuple):
    at: float
    total: float
    queued: float
    completion_tokens: int
    backend: str
    outcome: str


_ended = fields(*_Ended._fields)


class Recent:
    """Remembers the newest calls: in columns, for objects of their own take long to let go."""

    __slots__ = ("_columns", "_limit")

    def __init__(self, limit: int = CALLS) -> None:
        self._limit = limit
        times = array("d"), array("d"), array("d")
        self._columns: tuple[MutableSequence[Any], ...] = (*times, [], [], [])

    def count(self, calls: Iterable[CallRecord]) -> None:
        """Calls have ended."""
        added = zip(*map(_ended, calls), strict=True)  # none where there are no calls
        for column, values in zip(self._columns, added, strict=False):
            column.extend(values)
        if len(self._columns[0]) > 2 * self._limit:
            for column in self._columns:
                del column[: -self._limit]

    def summary(self, now: float) -> Summary:
        """As of ``now``, in seconds since 1970."""
        newest = (column[-self._limit :] for column in self._columns)
        calls = [_Ended(*figures) for figures in zip(*newest, strict=True)]
        window = WINDOW
        if len(calls) == self._limit:
            window = min(window, max(now - calls[0].at - calls[0].total, 1.0))
        calls = [call for call in calls if call.at + call.total >= now - window]
        done = [call for call in calls if call.outcome == Outcome.DONE]
        return Summary(
            window=window,
            calls=len(calls),
            calls_per_minute=60 * len(calls) / window,
            wait=_percentiles([call.queued for call in done]),
            total=_percentiles([call.total for call in done]),
            tokens_per_second=_rates(calls, window),
        )


def _rates(calls: Sequence[_Ended], window: float) -> dict[str, float]:
    tokens: dict[str, int] = {}
    for call in calls:
        if call.backend:
            tokens[call.backend] = tokens.get(call.backend, 0) + call.completion_tokens
    return {backend: count / window for backend, count in tokens.items()}


def _percentiles(values: list[float]) -> Percentiles:
    """By nearest rank."""
    if not values:
        return Percentiles(0.0, 0.0)
    values.sort()
    return Percentiles(*(values[-(-len(values) * percent // 100) - 1] for percent in (50, 95)))
