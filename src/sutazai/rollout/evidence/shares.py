"""Shares of failures in two arms, and rates of finished work. Exact tests. Needs SciPy.

For shares the hypothesis is "green's share is at most blue's plus so much". Blue's true share is
not known, so the bets on both arms are multiplied for every value that it might have, and the
value that makes the least of them counts. Whatever the true one is, the hypothesis is then rejected
no more often than at that one. (Nuisance parameters by worst case: Turner, Ly, Grünwald, "Generic
E-variables for exact sequential k-sample tests", J. Stat. Plan. Inference 230, 2024.)

For rates the hypothesis concerns green's part of all finished tasks: of independent arrivals it is
binomial (Przyborowski and Wilenski, Biometrika 31, 1940), so one bet is enough.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from scipy import special

from sutazai.rollout.evidence.mixtures import Bet, Floats, above, below

_WIDEST = (float(special.logit(1e-5)), float(special.logit(1 - 1e-5)))
_POINTS, _ZOOMS = 32, 3


@dataclass(frozen=True)
class Sample:
    """``bad`` of ``of``, where one that clumps may count for less than one."""

    of: float
    bad: float

    @property
    def share(self) -> float:
        return self.bad / self.of


@dataclass(frozen=True)
class Shares:
    """Failures of both arms; ``ceiling`` is a share that green may have whatever blue has."""

    green: Sample
    blue: Sample
    ceiling: float = 0.0
    widest = 1.0

    @property
    def estimate(self) -> float:
        return self.green.share - self.blue.share

    def worse(self, than: float) -> float:
        apart = self._against(than, above, below)
        if not self.ceiling:
            return apart
        return min(apart, float(above(self.green.of, self.green.bad, self.ceiling)))

    def better(self, than: float) -> float:
        return self._against(than, below, above)

    def supposing(self, effect: float) -> Self:
        share = min(max(self.blue.share + effect, 0.0), 1.0)
        return replace(self, green=Sample(self.green.of, self.green.of * share))

    def _against(self, apart: float, on_green: Bet, on_blue: Bet) -> float:
        """The bets that the arms differ from ``apart``, at blue's share that makes least of it."""

        def bets(odds: Floats) -> Floats:
            shares = special.expit(odds)
            both = on_green(self.green.of, self.green.bad, shares + apart)
            both += on_blue(self.blue.of, self.blue.bad, shares)
            return np.where((shares + apart > 0) & (shares + apart < 1), both, np.inf)

        ends = _WIDEST
        for _ in range(_ZOOMS):
            odds = np.linspace(*ends, _POINTS)
            found = bets(odds)
            least = int(np.argmin(found))
            ends = (float(odds[max(least - 1, 0)]), float(odds[min(least + 1, _POINTS - 1)]))
        return float(found[least])


@dataclass(frozen=True)
class Rates:
    """Tasks that each arm has finished, by what it was offered. More is better here, so the effect
    is how many times more blue gets done, as a logarithm."""

    green: float
    blue: float
    offered_green: float
    offered_blue: float
    widest = math.log(100)

    @cached_property
    def estimate(self) -> float:
        green = max(self.green, 0.5) / self.offered_green
        return math.log(max(self.blue, 0.5) / self.offered_blue / green)

    def worse(self, than: float) -> float:
        return float(below(self.green + self.blue, self.green, self._part(than)))

    def better(self, than: float) -> float:
        return float(above(self.green + self.blue, self.green, self._part(than)))

    def supposing(self, effect: float) -> Self:
        fair = self.blue * self.offered_green / self.offered_blue
        return replace(self, green=fair * math.exp(-effect))

    def _part(self, effect: float) -> float:
        """Green's part of all tasks at this effect."""
        return self.offered_green / (self.offered_green + self.offered_blue * math.exp(effect))
