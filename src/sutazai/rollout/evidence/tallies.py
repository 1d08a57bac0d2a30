"""Counts that add up: shares, response times, means. Pure.

Each is small whatever it counts, and the sum of two is what one of both would have been.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

FASTEST = 0.001
BUCKETS_PER_DOUBLING = 32
BUCKETS = BUCKETS_PER_DOUBLING * 24


@dataclass(frozen=True, slots=True)
class Tally:
    """``bad`` ones of ``of``. Raises ValueError where that cannot be.

    One is what succeeds or fails on its own: a request that was retried three times is one.
    """

    of: int = 0
    bad: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.bad <= self.of:
            raise ValueError(f"{self.bad} bad ones of {self.of} cannot be")

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.of + other.of, self.bad + other.bad)

    @property
    def share(self) -> float:
        return self.bad / self.of if self.of else 0.0


@dataclass(frozen=True, slots=True)
class Latencies:
    """Counts by bucket, 32 to each doubling: a quantile is right within 2.2 %.

    Bucket 0 begins at a millisecond and holds what is faster; the last one ends at 4.6 hours and
    holds what is slower. (The idea is that of DDSketch: Masson, Rim, Lee, VLDB 2019.)
    """

    buckets: Mapping[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        at, counts = self.buckets.keys(), self.buckets.values()
        if at and (min(at) < 0 or max(at) >= BUCKETS or min(counts) < 0):
            raise ValueError(f"buckets are 0 to {BUCKETS - 1}, their counts 0 and more")

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Latencies:
        return cls(Counter(bucket_of(each) for each in seconds))

    def __add__(self, other: Latencies) -> Latencies:
        merged = dict(self.buckets)
        for at, count in other.buckets.items():
            merged[at] = merged.get(at, 0) + count
        return Latencies(merged)

    @property
    def count(self) -> int:
        return sum(self.buckets.values())

    def from_bucket(self, at: int) -> int:
        """How many are in this bucket or a slower one."""
        return sum(count for bucket, count in self.buckets.items() if bucket >= at)

    def quantile(self, share: float) -> float:
        """Seconds that ``share`` of all took at most; 0 where there are none."""
        wanted = share * self.count
        for at in sorted(self.buckets):
            wanted -= self.buckets[at]
            if wanted <= 0:
                return FASTEST * 2 ** ((at + 1) / BUCKETS_PER_DOUBLING)
        return 0.0


def bucket_of(seconds: float) -> int:
    """The bucket that counts a response time."""
    if seconds <= FASTEST:
        return 0
    return min(int(BUCKETS_PER_DOUBLING * math.log2(seconds / FASTEST)), BUCKETS - 1)


@dataclass(frozen=True, slots=True)
class Moments:
    """``count`` values, their mean, and the sum of squared deviations from it."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def __post_init__(self) -> None:
        sane = math.isfinite(self.mean) and math.isfinite(self.squares)
        if not sane or self.count < 0 or self.squares < 0:
            raise ValueError("moments are finite, their count and squares 0 and more")

    @classmethod
    def of(cls, values: Iterable[float]) -> Moments:
        found = tuple(values)
        if not found:
            return cls()
        mean = math.fsum(found) / len(found)
        return cls(len(found), mean, math.fsum((each - mean) ** 2 for each in found))

    def __add__(self, other: Moments) -> Moments:
        """By the rule of Chan, Golub and LeVeque (1979), which loses no digits."""
        count = self.count + other.count
        if not count:
            return Moments()
        apart = other.mean - self.mean
        mean = self.mean + apart * other.count / count
        between = apart**2 * self.count * other.count / count
        return Moments(count, mean, self.squares + other.squares + between)
