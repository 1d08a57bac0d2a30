"""At which resolution is kept for how long, and what follows from that. Pure.

Nothing here goes by what the clock says but by the order in which things were measured: what is old
is what came first. So a clock that jumps neither empties the history nor fills it for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True, slots=True)
class Tier:
    """One resolution.

    Args:
        step: seconds from one strip to the next.
        kept: how many strips are kept.
        packed: how many are packed into one; 0 for never, where there are few.
    """

    step: int
    kept: int
    packed: int = 0


TIERS = (Tier(10, 360), Tier(60, 1_440, 120), Tier(600, 4_320, 144))
"""An hour, a day and a month, the finest first."""


def closed(strips: Iterable[tuple[int, int]], step: int) -> list[tuple[int, list[int]]]:
    """Windows of ``step`` seconds that nothing more will fall into.

    ``strips`` are number and time of each, in the order in which they came. The begin of each
    window, and the numbers of its strips; the last window is open still. A clock that jumps ends a
    window early.
    """
    runs = groupby(strips, key=lambda strip: strip[1] // step * step)
    windows = [(begin, [number for number, _ in run]) for begin, run in runs]
    return windows[:-1]


def tier_for(tiers: Sequence[Tier], *, age: float, span: float, points: int) -> Tier:
    """Where to read ``points`` over ``span`` seconds that begin ``age`` seconds ago.

    The coarsest that is fine enough, of those that reach back so far.
    """
    reaching = [tier for tier in tiers if age <= tier.step * tier.kept] or [tiers[-1]]
    fine = [tier for tier in reaching if tier.step * points <= span]
    return fine[-1] if fine else reaching[0]
