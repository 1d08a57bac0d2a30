"""Which comparison each metric is, made from slices and criteria. Needs SciPy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from sutazai.fleet.rollout_criteria import Limits, RolloutCriteria
from sutazai.fleet.rollout_findings import Metric
from sutazai.rollout.evidence.clumps import clumping, clumping_of_one
from sutazai.rollout.evidence.comparison import Comparison
from sutazai.rollout.evidence.delivered import Delivered, Slice, merged
from sutazai.rollout.evidence.means import Means
from sutazai.rollout.evidence.quantiles import SLOW, Quantiles
from sutazai.rollout.evidence.shares import Rates, Sample, Shares
from sutazai.rollout.evidence.tallies import Latencies, Moments, Tally

SLICES_LEAST = 8
"""Fewer do not tell how much slices differ by chance."""


@dataclass(frozen=True)
class Case:
    """One metric, ready to be judged; without ``comparison`` there is too little of it.

    Limit and effect are on the comparison's scale, ``figures`` are both arms' on that of the metric
    itself (`Finding`). Green may have a share of failures up to
    ``ceiling`` whatever blue has; both having ``common`` shows trouble that is not green's.
    """

    metric: Metric
    green: int
    blue: int
    limit: float
    effect: float
    comparison: Comparison | None
    figures: tuple[float, float]
    ceiling: float = 0.0
    common: float = 1.0

    @property
    def is_used(self) -> bool:
        return bool(self.green or self.blue)


class Stage:
    """The slices of a stage, and what they are judged by."""

    def __init__(self, slices: Sequence[Slice], criteria: RolloutCriteria, limits: Limits) -> None:
        self._greens = [each.green for each in slices]
        self._blues = [each.blue for each in slices]
        self._criteria = criteria
        self._limits = limits

    def cases(self) -> Iterator[Case]:
        """One of each metric."""
        limits, effects = self._limits, self._criteria.effects
        bad = self._criteria.rollback.errors
        no_llm = self._criteria.rollback.llm_failures
        unfinished, unanswered = 1 - limits.tasks_completed, 1 - limits.llm_success
        yield self._share(Metric.ERRORS, lambda arm: arm.requests, limits.errors, common=bad)
        yield self._latency()
        yield self._share(Metric.TASKS, lambda arm: arm.tasks, 0.0, unfinished, common=bad)
        yield self._task_rate()
        yield self._share(Metric.TOOLS, lambda arm: arm.tools, limits.tool_errors)
        yield self._share(Metric.LLM, lambda arm: arm.llm, 0.0, unanswered, common=no_llm)
        yield self._mean(Metric.TOKENS, lambda arm: arm.tokens, limits.tokens, effects.tokens)
        yield self._mean(Metric.MEMORY, lambda arm: arm.memory, limits.memory, effects.memory)
        yield self._mean(Metric.CPU, lambda arm: arm.cpu, limits.cpu, effects.cpu)

    @cached_property
    def _green(self) -> Delivered:
        return merged(self._greens)

    @cached_property
    def _blue(self) -> Delivered:
        return merged(self._blues)

    def _enough(self, green: int, blue: int) -> bool:
        enough_slices = len(self._greens) >= SLICES_LEAST
        return enough_slices and min(green, blue) >= self._criteria.minimum_sample

    def _share(
        self,
        metric: Metric,
        of: Callable[[Delivered], Tally],
        limit: float,
        ceiling: float = 0.0,
        *,
        common: float = 1.0,
    ) -> Case:
        green, blue = of(self._green), of(self._blue)
        comparison = None
        if self._enough(green.of, blue.of):
            clump = clumping(
                [of(each) for each in self._greens], [of(each) for each in self._blues]
            )
            comparison = Shares(_sample(green, clump), _sample(blue, clump), ceiling)
        effect = self._criteria.effects.share
        figures = green.share, blue.share
        return Case(metric, green.of, blue.of, limit, effect, comparison, figures, ceiling, common)

    def _latency(self) -> Case:
        green, blue = self._green.latency, self._blue.latency
        limit, effect = math.log(self._limits.p95), math.log(self._criteria.effects.p95)
        comparison = None
        if self._enough(green.count, blue.count):
            clump = clumping(_slow(self._greens, green), _slow(self._blues, blue))
            comparison = Quantiles.of(green, blue, clump=clump)
        figures = green.quantile(1 - SLOW), blue.quantile(1 - SLOW)
        return Case(Metric.LATENCY, green.count, blue.count, limit, effect, comparison, figures)

    def _task_rate(self) -> Case:
        green, blue = (arm.tasks.of - arm.tasks.bad for arm in (self._green, self._blue))
        offered = (self._green.exposure, self._blue.exposure)
        limit = -math.log(self._limits.task_rate)
        effect = -math.log(self._criteria.effects.task_rate)
        comparison = None
        # A green that finishes nothing says much, so the sample is that of both arms.
        if min(offered) > 0 and self._enough(green + blue, green + blue):
            clump = clumping_of_one([_green_part(*each) for each in self._pairs()])
            comparison = Rates(green / clump, blue / clump, *offered)
        figures = _per(green, offered[0]), _per(blue, offered[1])
        return Case(Metric.TASK_RATE, green, blue, limit, effect, comparison, figures)

    def _pairs(self) -> Iterator[tuple[Delivered, Delivered]]:
        return zip(self._greens, self._blues, strict=True)

    def _mean(
        self, metric: Metric, of: Callable[[Delivered], Moments], limit: float, effect: float
    ) -> Case:
        green, blue = of(self._green), of(self._blue)
        slices = [of(each) for each in self._greens], [of(each) for each in self._blues]
        comparison = None
        # Memory and CPU come by the slice, tokens by the task.
        enough = metric is not Metric.TOKENS or self._enough(green.count, blue.count)
        if enough and blue.mean > 0 and _shared(*slices) >= SLICES_LEAST:
            trend = metric is Metric.MEMORY
            comparison = Means.of(*slices, expected=math.log(effect), trend=trend)
        sizes, bounds = (green.count, blue.count), (math.log(limit), math.log(effect))
        return Case(metric, *sizes, *bounds, comparison, (green.mean, blue.mean))


def _per(done: int, offered: float) -> float:
    return done / offered if offered else 0.0


def _shared(green: Sequence[Moments], blue: Sequence[Moments]) -> int:
    """How many slices have values of both arms."""
    return sum(bool(g.count and b.count) for g, b in zip(green, blue, strict=True))


def _sample(tally: Tally, clump: float) -> Sample:
    return Sample(tally.of / clump, tally.bad / clump)


def _slow(arm: Sequence[Delivered], whole: Latencies) -> list[Tally]:
    """Of each slice the responses that are slower than the arm's own quantile."""
    left, edge = SLOW * whole.count, 0
    for at in sorted(whole.buckets, reverse=True):
        left -= whole.buckets[at]
        if left < 0:
            edge = at
            break
    return [Tally(each.latency.count, each.latency.from_bucket(edge)) for each in arm]


def _green_part(green: Delivered, blue: Delivered) -> Tally:
    done = green.tasks.of - green.tasks.bad
    return Tally(done + blue.tasks.of - blue.tasks.bad, done)
