"""What the units of an agent that moves to a new version did, as the gateway counts it."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pydantic import Field

from sutazai.fleet.shapes import Shape

FASTEST = 0.001
"""Seconds; the first bucket holds what is faster."""
BUCKETS_PER_DOUBLING = 32
BUCKETS = BUCKETS_PER_DOUBLING * 24


def bucket_of(seconds: float) -> int:
    """The bucket that counts a response time: 32 to each doubling, so that a quantile is right
    within 2.2 %."""
    if seconds <= FASTEST:
        return 0
    return min(int(BUCKETS_PER_DOUBLING * math.log2(seconds / FASTEST)), BUCKETS - 1)


class ArmCounts(Shape):
    """One unit, from when it began to be watched.

    Args:
        requests, errors: calls through the door that it got, and those it failed.
        latency: how many of its calls took how long, by `bucket_of`.
        tasks, failed: pieces of work that ended, and those without a result.
        tools, tools_failed: calls of tools that its answers tell of, and those that failed.
        llm, llm_failed: calls to models made for them, and those that failed.
        tokens: of these pieces of work: how many, their mean, the sum of squares around it.
    """

    unit: str
    requests: int = 0
    errors: int = 0
    latency: Mapping[int, int] = Field(default_factory=dict)
    tasks: int = 0
    failed: int = 0
    tools: int = 0
    tools_failed: int = 0
    llm: int = 0
    llm_failed: int = 0
    tokens: tuple[int, float, float] = (0, 0.0, 0.0)


class BreakerTrip(Shape):
    """A breaker that has opened, counted from 1 in one life of the gateway.

    Args:
        backend, model: what it takes for broken since.
        units: for which the calls were made that failed; where the gateway's own ``probe`` failed,
            for which that model was asked at all. An empty name stands for whom nobody watches.
    """

    number: int
    backend: str
    model: str
    units: tuple[str, ...]
    probe: bool = False


class ArmsSeen(Shape):
    """All units that are watched, in one life of the gateway. ``running`` counts the calls that
    instances have in hand, by unit; ``trips`` are the last ones since any unit is watched."""

    incarnation: str
    arms: tuple[ArmCounts, ...] = ()
    trips: tuple[BreakerTrip, ...] = ()
    running: Mapping[str, int] = Field(default_factory=dict)
