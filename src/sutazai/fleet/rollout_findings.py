"""What evidence says of a new version, metric by metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from sutazai.fleet.units import format_duration, format_size

HOUR = 3600.0


class Verdict(StrEnum):
    """What evidence says of the new version. Without data it is inconclusive, never a pass."""

    PASS = "pass"  # noqa: S105 (no password)
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class Metric(StrEnum):
    """What is compared, each by a test of its own."""

    ERRORS = "errors"
    LATENCY = "latency"
    TASKS = "tasks"
    TASK_RATE = "task-rate"
    TOOLS = "tools"
    LLM = "llm"
    TOKENS = "tokens"
    MEMORY = "memory"
    CPU = "cpu"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of one metric.

    Effects are differences of shares (0.05 is five points more) or ratios of green to blue (2.0
    is twice as much), as ``unit`` says. A bound is None where nothing can be said on that side.

    Attributes:
        green: size of the new version's sample.
        blue: size of the old one's.
        figures: the metric itself in the new version and in the old one: a share of failures,
            seconds, tasks done by an agent a second, tokens a task, bytes, or cores.
        estimate: the effect as it was seen.
        at_least: the effect is not better than this, however often one looked; a failure is this
            being beyond ``limit``.
        at_most: it is not worse than this.
        limit: what the criteria allow.
        effect: what has to be ruled out before it passes.
        ceiling: share of failures that is allowed whatever the old version's is, 0 for none.
        could_see: the smallest effect that this sample finds in 95 of 100 cases.
        text: all of it in words.
    """

    metric: Metric
    verdict: Verdict
    unit: str
    green: int
    blue: int
    limit: float
    effect: float
    ceiling: float
    figures: tuple[float, float]
    text: str = ""
    estimate: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    could_see: float | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict over all metrics, and why, in one sentence.

    ``left_out`` are metrics of which neither version had a sample, as tools that nobody called.
    """

    verdict: Verdict
    reason: str
    findings: tuple[Finding, ...] = ()
    left_out: tuple[Metric, ...] = ()


def unknown(reason: str) -> Judgement:
    """Nothing can be said."""
    return Judgement(Verdict.INCONCLUSIVE, reason)


def _failures(figure: float) -> str:
    return f"{figure:.2%} fail"


_TEXTS: dict[Metric, Callable[[float], str]] = {
    Metric.ERRORS: _failures,
    Metric.TASKS: _failures,
    Metric.TOOLS: _failures,
    Metric.LLM: _failures,
    Metric.LATENCY: format_duration,
    Metric.TASK_RATE: lambda figure: f"{figure * HOUR:,.3g} an hour",
    Metric.TOKENS: lambda figure: f"{figure:,.0f} a task",
    Metric.MEMORY: format_size,
    Metric.CPU: lambda figure: f"{figure * 100:.3g} % of a core",
}


def figure_text(metric: Metric, figure: float) -> str:
    """One of `Finding.figures` with its unit."""
    return _TEXTS[metric](figure)
