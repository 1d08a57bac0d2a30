"""How much evidence data are against a hypothesis, however often one looks. Needs SciPy.

Each function gives the logarithm of an e-process: a bet against the hypothesis that wins nothing
on average while the hypothesis is true, whatever number of looks one takes. By Ville's inequality
(1939) its chance of ever reaching log(1/a) is then at most a. That is the whole reason why a
rollout may be judged at any moment, be prolonged, or end early, without counting its looks.

Bets on several independent samples multiply (their logarithms add), which is how both arms are
used in one test. Half of each stake stays in hand, so data in favour of the hypothesis cost log 2
at most and never outweigh the other arm.

Sources: Robbins, "Statistical methods related to the law of the iterated logarithm", Ann. Math.
Stat. 41 (1970), mixtures; Howard, Ramdas, McAuliffe, Sekhon, "Time-uniform, nonparametric,
nonasymptotic confidence sequences", Ann. Stat. 49 (2021), the one-sided beta-binomial and normal
mixtures; Ramdas, Grünwald, Vovk, Shafer, "Game-theoretic statistics and safe anytime-valid
inference", Stat. Sci. 38 (2023), e-processes and their products.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]
Number = float | Floats
Bet = Callable[[Number, Number, Number], Floats]
"""A bet on how many bad ones there are of so many, against a share."""

WORTH = 100.0
"""How many trials the mixture over shares is worth: best near ten times as many (simulated)."""

_HALF = np.log(0.5)
_SMALLEST = 1e-6


def above(of: Number, bad: Number, share: Number) -> Floats:
    """Against the chance of a bad one being ``share`` or less, after ``bad`` ``of`` so many.

    The mixture is a beta distribution around ``share``, as far as it is above. Numbers need not
    be whole: counts that come in clumps are divided by the size of the clumps.
    """
    p = np.clip(share, _SMALLEST, 1 - _SMALLEST)
    a, b = WORTH * p, WORTH * (1 - p)
    good = np.subtract(of, bad)
    with np.errstate(divide="ignore", invalid="ignore"):
        after = special.betaln(a + bad, b + good) + np.log(special.betaincc(a + bad, b + good, p))
        before = special.betaln(a, b) + np.log(special.betaincc(a, b, p))
        log = after - before - bad * np.log(p) - good * np.log1p(-p)
    return _half_kept(log)


def below(of: Number, bad: Number, share: Number) -> Floats:
    """Against the chance of a bad one being ``share`` or more."""
    return above(of, np.subtract(of, bad), np.subtract(1.0, share))


def positive(z: float, expected: float) -> float:
    """Against a normal deviate ``z`` that is 0 or less but for chance.

    The mixture is half a normal distribution as wide as the deviate that is ``expected``. For
    means it holds in the limit of large samples: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas,
    "Time-uniform central limit theory and asymptotic confidence sequences", Ann. Stat. 52 (2024).
    """
    wide = expected**2
    pull = wide / (1 + wide)
    log = np.log(2) - np.log1p(wide) / 2 + z**2 * pull / 2 + special.log_ndtr(z * np.sqrt(pull))
    return float(_half_kept(log))


def as_normal(t: float, freedom: float) -> float:
    """The normal deviate that is as rare as ``t`` of Student's distribution.

    It makes up for an error that is itself estimated from few values (Student, Biometrika 1908).
    """
    rare = special.stdtr(freedom, -abs(t))
    return float(np.copysign(-special.ndtri(max(rare, 1e-300)), t))


def _half_kept(log: Number) -> Floats:
    sane = np.nan_to_num(log, nan=-np.inf, neginf=-np.inf)
    kept: Floats = np.logaddexp(_HALF, _HALF + sane)
    return kept
