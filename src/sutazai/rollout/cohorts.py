"""Which agents a rollout moves, and which of them when. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sutazai.fleet.desired import Standing
from sutazai.fleet.rollouts import Phase, RolloutPlan, Stage, beside
from sutazai.fleet.spec import Pool

COMPARED = 0.75
"""The part of what may be awake beside those that serve that is for baselines, so that others can
still move."""

_ROUNDING = 1e-9  # a tenth of 130 is 13, whatever floats make of it


@dataclass(frozen=True, kw_only=True)
class Mover:
    """An agent that is to be moved, with what tells how much depends on it; ``twice`` says that two
    versions of it can run beside each other, and be compared."""

    name: str
    group: str = ""
    pool: Pool = Pool.STANDARD
    standing: Standing = Standing.ORDINARY
    twice: bool = True

    @property
    def names(self) -> frozenset[str]:
        """What a fleet file can call it by."""
        return frozenset({self.name, self.group, self.pool.value})

    @property
    def is_critical(self) -> bool:
        return self.pool is Pool.CRITICAL or self.standing is not Standing.ORDINARY


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """Names whose version is another one, in the order of ``after``.

    What is new has nothing to go back to, and what is gone nowhere to go: neither is moved.
    """
    return tuple(name for name, one in after.items() if before.get(name, one) != one)


def stages_of(plan: RolloutPlan, movers: Iterable[Mover]) -> tuple[Stage, ...]:
    """Every agent once, in phases with one agent at least; least risk first."""
    ordered = sorted(movers, key=lambda one: risk(plan, one))
    cohorts = _named(plan, ordered) if plan.phases[0].agents else _by_share(plan, ordered)
    most = max(1, int(COMPARED * beside(len(ordered)))) if plan.canary < 100 else 0
    return tuple(
        Stage(
            name=_name(phase),
            agents=tuple(one.name for one in cohort),
            lasts=phase.lasts,
            compared=_spread([one.name for one in cohort if one.twice], most),
        )
        for phase, cohort in zip(plan.phases, cohorts, strict=True)
        if cohort
    )


def risk(plan: RolloutPlan, mover: Mover) -> int:
    """0 for those that are moved first. Critical agents come last, whatever their group."""
    last = len(plan.order)
    if mover.is_critical:
        return last + 1
    places = (place for place, names in enumerate(plan.order) if mover.names & set(names))
    return next(places, last)


def _by_share(plan: RolloutPlan, ordered: Sequence[Mover]) -> list[Sequence[Mover]]:
    """Shares are rounded down, but the first phase moves somebody."""
    exact = (len(ordered) * (phase.percent or 0) / 100 for phase in plan.phases)
    ends = [max(1, math.floor(end + _ROUNDING)) for end in exact]
    return [ordered[first:last] for first, last in pairwise([0, *ends])]


def _named(plan: RolloutPlan, ordered: Sequence[Mover]) -> list[Sequence[Mover]]:
    """Each agent goes with the first phase that names it, and with the last where none does."""
    last = len(plan.phases) - 1
    places = [
        next((n for n, phase in enumerate(plan.phases) if one.names & set(phase.agents)), last)
        for one in ordered
    ]
    return [
        [one for one, place in zip(ordered, places, strict=True) if place == number]
        for number in range(last + 1)
    ]


def _spread(names: Sequence[str], most: int) -> tuple[str, ...]:
    """So many of them at most, from the first one on and evenly spread."""
    count = min(most, len(names))
    return tuple(names[at * len(names) // count] for at in range(count))


def _name(phase: Phase) -> str:
    return phase.name or (f"{phase.percent:g} %" if phase.percent else ", ".join(phase.agents))
