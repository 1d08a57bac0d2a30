"""A quantile of response times in two arms, by ratio. An exact test. Needs SciPy.

The hypothesis is "green's p95 is at most r times blue's". If blue's is at x, then one in twenty of
blue's responses is slower than x, and at most one in twenty of green's is slower than r x: both are
shares, with bets as in ``shares``. They are multiplied for every x, and the least counts. No shape
of the distribution is supposed. (Inversion of tests on shares as in Howard and Ramdas, "Sequential
estimation of quantiles with applications to A/B testing and best-arm identification", Bernoulli 28,
2022.) Buckets are rounded against rejection, which costs up to two of them, 4 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from sutazai.rollout.evidence.mixtures import Floats, above, below
from sutazai.rollout.evidence.tallies import BUCKETS, BUCKETS_PER_DOUBLING, Latencies

SLOW = 0.05
"""What share of responses is slower than the quantile that is compared."""

_PER_E = BUCKETS_PER_DOUBLING / math.log(2)


@dataclass(frozen=True)
class Quantiles:
    """For each bucket how many responses are in it or a slower one, by the size of a clump."""

    green: Floats
    blue: Floats
    widest = math.log(100)

    @classmethod
    def of(cls, green: Latencies, blue: Latencies, *, clump: float) -> Quantiles:
        return cls(_from_each(green) / clump, _from_each(blue) / clump)

    @property
    def estimate(self) -> float:
        return (_quantile(self.green) - _quantile(self.blue)) / _PER_E

    def worse(self, than: float) -> float:
        at = self._near(than)
        # Between two edges the evidence is least at green's upper and at blue's lower edge.
        green = _at(self.green, at + 1)
        blue = _at(self.blue, np.floor(at - than * _PER_E))
        bets = above(self.green[0], green, SLOW) + below(self.blue[0], blue, SLOW)
        return float(np.min(bets))

    def better(self, than: float) -> float:
        at = self._near(than)
        green = _at(self.green, at)
        blue = _at(self.blue, np.ceil(at + 1 - than * _PER_E))
        bets = below(self.green[0], green, SLOW) + above(self.blue[0], blue, SLOW)
        return float(np.min(bets))

    def supposing(self, effect: float) -> Self:
        slower = _at(self.blue, np.floor(np.arange(BUCKETS + 1) - effect * _PER_E))
        return replace(self, green=slower * self.green[0] / self.blue[0])

    def _near(self, effect: float) -> Floats:
        """The buckets where the least can be: around both quantiles, blue's moved by the effect."""
        ends = (_quantile(self.green), _quantile(self.blue) + effect * _PER_E)
        return np.arange(math.floor(min(ends)) - 2, math.ceil(max(ends)) + 3, dtype=np.float64)


def _from_each(latencies: Latencies) -> Floats:
    counts = np.zeros(BUCKETS + 1)
    for at, count in latencies.buckets.items():
        counts[at] = count
    return np.cumsum(counts[::-1])[::-1]


def _at(slower: Floats, at: Floats) -> Floats:
    """Also for edges beyond the first bucket and the last."""
    return slower[np.clip(at, 0, BUCKETS).astype(np.intp)]


def _quantile(slower: Floats) -> float:
    """The first bucket from which on fewer than one in twenty are left."""
    return float(np.argmax(slower < SLOW * slower[0]))
