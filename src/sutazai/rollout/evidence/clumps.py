"""How much less a sample is worth because its events come in clumps. Needs NumPy.

A connection that breaks fails ten requests at once: ten failures, one event. Where the difference
of both arms varies more from slice to slice than independent events would make it, all counts are
divided by how much more. It is the difference that is looked at, because what hits both arms
alike, as a load that rises and falls, takes nothing from the comparison.

Sources: McCullagh and Nelder, "Generalized Linear Models" (2nd ed. 1989), 4.5: over-dispersion by
Pearson's statistic over its degrees of freedom. Each slice's mean resembles the one before it: the
lag-one correlation for means (Bartlett, JRSS Suppl. 8, 1946).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sutazai.rollout.evidence.mixtures import Floats
from sutazai.rollout.evidence.tallies import Tally

CORRELATION_MOST = 0.95


def clumping(green: Sequence[Tally], blue: Sequence[Tally]) -> float:
    """By what the counts of both arms are to be divided, 1 and more; one tally a slice each."""
    pairs = [(g, b) for g, b in zip(green, blue, strict=True) if g.of and b.of]
    if len(pairs) < 2:
        return 1.0
    apart = np.array([g.share - b.share for g, b in pairs])
    variance = _variance([g for g, _ in pairs]) + _variance([b for _, b in pairs])
    return _dispersion(apart, variance)


def clumping_of_one(slices: Sequence[Tally]) -> float:
    """The same for shares of one arm, or of what both arms have done together."""
    found = [each for each in slices if each.of]
    if len(found) < 2:
        return 1.0
    return _dispersion(np.array([each.share for each in found]), _variance(found))


def _variance(slices: Sequence[Tally]) -> Floats:
    """What the share of each slice would have, had all events been independent."""
    of: Floats = np.array([each.of for each in slices], dtype=np.float64)
    share = sum(each.bad for each in slices) / float(of.sum())
    variance: Floats = share * (1 - share) / of
    return variance


def _dispersion(values: Floats, variance: Floats) -> float:
    if not np.all(variance):
        return 1.0
    mean = np.average(values, weights=1 / variance)
    return max(1.0, float(np.sum((values - mean) ** 2 / variance)) / (len(values) - 1))


def repetition(residuals: Floats) -> float:
    """By what a mean's variance is to be multiplied, as each value resembles the one before."""
    total = float(np.sum(residuals**2))
    if total == 0:
        return 1.0
    likeness = float(np.sum(residuals[1:] * residuals[:-1])) / total
    # The estimate is low by about (1 + 3 r) / n (Kendall, Biometrika 41, 1954).
    likeness += (1 + 3 * max(likeness, 0.0)) / len(residuals)
    likeness = min(max(likeness, 0.0), CORRELATION_MOST)
    return (1 + likeness) / (1 - likeness)
