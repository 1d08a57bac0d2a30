"""A series as it is drawn: not more points than asked for. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, isnan

from sutazai.observe.samples import Labels

Point = tuple[int, float, float, float]
"""Time in seconds since 1970, mean, lowest and highest value."""


@dataclass(frozen=True, slots=True)
class Points:
    """One series; ``times`` are in seconds since 1970, each the begin of ``step`` seconds."""

    labels: Labels
    step: int
    times: tuple[int, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def step_for(step: int, *, span: float, points: int) -> int:
    """Seconds from one point to the next: whole ``step`` s, so that at most ``points`` fit."""
    return max(1, ceil(span / points / step)) * step


def drawn(found: Iterable[Point], labels: Labels, step: int) -> Points:
    """What was found, in steps and in the order of time; NaN is left out."""
    buckets: defaultdict[int, list[Point]] = defaultdict(list)
    for point in found:
        if not isnan(point[1]):
            buckets[point[0] // step * step].append(point)
    ordered = sorted(buckets.items())
    return Points(
        labels,
        step,
        tuple(at for at, _ in ordered),
        tuple(sum(point[1] for point in bucket) / len(bucket) for _, bucket in ordered),
        tuple(min(point[2] for point in bucket) for _, bucket in ordered),
        tuple(max(point[3] for point in bucket) for _, bucket in ordered),
    )
