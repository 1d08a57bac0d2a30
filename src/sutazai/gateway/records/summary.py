"""The figures of the last minutes, from the newest calls. Pure: time goes in."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sutazai.gateway.records.call import CallRecord, Outcome

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
    queued: float
    total: float
    backend: str
    tokens: int
    done: bool


class Recent:
    """Remembers the newest calls, an `Observer`."""

    __slots__ = ("_calls", "_limit")

    def __init__(self, limit: int = CALLS) -> None:
        self._limit = limit
        self._calls: deque[_Ended] = deque(maxlen=limit)

    def observe(self, record: CallRecord) -> None:
        """A call ended."""
        self._calls.append(
            _Ended(
                record.at + record.total,
                record.queued,
                record.total,
                record.backend,
                record.completion_tokens,
                record.outcome == Outcome.DONE,
            )
        )

    def summary(self, now: float) -> Summary:
        """As of ``now``, in seconds since 1970."""
        window = WINDOW
        if len(self._calls) == self._limit:
            window = min(window, max(now - self._calls[0].at, 1.0))
        calls = [call for call in self._calls if call.at >= now - window]
        done = [call for call in calls if call.done]
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
            tokens[call.backend] = tokens.get(call.backend, 0) + call.tokens
    return {backend: count / window for backend, count in tokens.items()}


def _percentiles(values: list[float]) -> Percentiles:
    """By nearest rank."""
    if not values:
        return Percentiles(0.0, 0.0)
    values.sort()
    return Percentiles(*(values[-(-len(values) * percent // 100) - 1] for percent in (50, 95)))
