"""Means in two arms, by ratio: tokens of a task, memory, CPU. Needs SciPy.

Each slice gives one ratio of green's mean to blue's, so what hits both arms alike falls out, as a
load that rises and falls (the paired test of Student, "The probable error of a mean", Biometrika 6,
1908). The error comes from how the slices' logarithms scatter, so values that hang together within
a slice are counted for what they are worth (Liang and Zeger, Biometrika 73, 1986).

Memory is compared by where its trend has come to, so that a slow leak is seen for what it has
become, not for what it was on average.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from sutazai.rollout.evidence.clumps import repetition
from sutazai.rollout.evidence.mixtures import Floats, as_normal, positive
from sutazai.rollout.evidence.tallies import Moments

IDLE = 0.05
"""A slice's mean counts as this share of blue's mean at least: ratios of nothing mean nothing."""

_ROUNDING = 1e-6


@dataclass(frozen=True)
class Means:
    """The logarithms of the ratios of the slices in which both arms have values, at least three.

    ``back`` counts slices from the last one; ``expected`` is the effect that bets are sized to.
    """

    logs: Floats
    weights: Floats
    back: Floats
    expected: float
    trend: bool = False
    widest = math.log(100)

    @classmethod
    def of(
        cls,
        green: Sequence[Moments],
        blue: Sequence[Moments],
        *,
        expected: float,
        trend: bool = False,
    ) -> Means:
        """Blue's mean is above 0."""
        both = list(zip(green, blue, strict=True))
        found = [(len(both) - at, g, b) for at, (g, b) in enumerate(both, 1) if g.count and b.count]
        least = IDLE * sum(blue, Moments()).mean
        return cls(
            np.array([math.log(max(g.mean, least) / max(b.mean, least)) for _, g, b in found]),
            np.array([g.count * b.count / (g.count + b.count) for _, g, b in found]),
            np.array([back for back, _, _ in found], dtype=np.float64),
            expected,
            trend,
        )

    @property
    def estimate(self) -> float:
        return float((self._fit @ self.logs)[0])

    def worse(self, than: float) -> float:
        return self._evidence(self.estimate - than)

    def better(self, than: float) -> float:
        return self._evidence(than - self.estimate)

    def supposing(self, effect: float) -> Self:
        return replace(self, logs=self.logs + effect - self.estimate)

    def _evidence(self, apart: float) -> float:
        z = as_normal(apart / self._error, self._freedom)
        return positive(z, max(self.expected / 2 / self._error, 1.0))

    @cached_property
    def _error(self) -> float:
        """The standard error of the fitted level. What never varies was rounded."""
        residuals = self.logs - self._design @ (self._fit @ self.logs)
        variance = float(np.sum((self._fit[0] * residuals) ** 2))
        variance *= len(residuals) / self._freedom
        variance *= repetition(np.sqrt(self.weights) * residuals)
        return max(math.sqrt(variance), _ROUNDING)

    @cached_property
    def _design(self) -> Floats:
        """A level, and a slope where there is a trend. At ``back`` 0 the line is the level."""
        columns = [np.ones_like(self.back)] + [self.back] * self.trend
        return np.stack(columns, axis=1)

    @cached_property
    def _fit(self) -> Floats:
        """What makes the coefficients of weighted least squares from values."""
        weighted = self._design.T * self.weights
        return np.linalg.solve(weighted @ self._design, weighted).astype(np.float64)

    @property
    def _freedom(self) -> int:
        return len(self.back) - (2 if self.trend else 1)
