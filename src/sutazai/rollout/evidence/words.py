"""Findings in words that a person understands. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from sutazai.fleet.rollout_findings import Finding, Metric, Verdict
from sutazai.rollout.evidence.delivered import Evidence

_NAMES = {
    Metric.ERRORS: ("failed requests", "requests"),
    Metric.LATENCY: ("response time (p95)", "responses"),
    Metric.TASKS: ("failed tasks", "tasks"),
    Metric.TASK_RATE: ("tasks done per time", "tasks"),
    Metric.TOOLS: ("failed tool calls", "tool calls"),
    Metric.LLM: ("failed LLM calls", "LLM calls"),
    Metric.TOKENS: ("tokens per task", "tasks"),
    Metric.MEMORY: ("memory", "samples"),
    Metric.CPU: ("CPU time", "samples"),
}
_DIFFERENCES = frozenset({Metric.ERRORS, Metric.TASKS, Metric.TOOLS, Metric.LLM})


def scale(metric: Metric) -> tuple[str, Callable[[float], float]]:
    """The unit of a metric's effects, and how one is made from a comparison's scale."""
    if metric in _DIFFERENCES:
        return "difference", lambda effect: effect
    if metric is Metric.TASK_RATE:
        return "ratio", lambda effect: math.exp(-effect)
    return "ratio", math.exp


def told(finding: Finding, *, common: bool = False) -> Finding:
    """The finding with its text. ``common`` trouble is the old version's too."""
    name, things = _NAMES[finding.metric]
    sizes = f"{finding.green:,} {things} of the new version, {finding.blue:,} of the old"
    if finding.estimate is None:
        return replace(finding, text=f"{name}: too few to say anything ({sizes}).")
    seen = f"{name}: {_effect(finding, finding.estimate)} ({sizes}), {_bounds(finding)}"
    return replace(finding, text=f"{seen}. {_conclusion(finding, common)}")


def too_early(evidence: Evidence, least: int) -> str:
    """Why there is no judgement at all."""
    if troubles := evidence.troubles():
        spoiled = len(evidence.slices) - len(evidence.clean())
        what = " and ".join(troubles)
        return (
            f"{spoiled} of {len(evidence.slices)} slices of time say nothing, as both versions had "
            f"the same trouble ({what}); {least} good ones are needed"
        )
    return f"only {len(evidence.slices)} slices of time so far; {least} are needed"


def reason(verdict: Verdict, findings: Sequence[Finding]) -> str:
    """The judgement in one sentence or two."""
    if verdict is Verdict.PASS:
        return f"all {len(findings)} metrics are within their limits"
    decisive = [each.text for each in findings if each.verdict is verdict]
    return " ".join(decisive)


def _effect(finding: Finding, effect: float | None) -> str:
    if effect is None:
        return "unknown"
    if finding.unit == "difference":
        return f"{effect * 100:+.2f} points"
    return f"{effect:.2f} times the old version's"


def _bounds(finding: Finding) -> str:
    low, high = finding.at_least, finding.at_most
    if finding.metric is Metric.TASK_RATE:
        low, high = high, low
    if low is None and high is None:
        return "the sample is too small to bound it"
    if high is None:
        return f"at least {_effect(finding, low)}"
    if low is None:
        return f"at most {_effect(finding, high)}"
    return f"between {_effect(finding, low).split()[0]} and {_effect(finding, high)}"


def _conclusion(finding: Finding, common: bool) -> str:
    allowed = _effect(finding, finding.limit)
    if finding.ceiling:
        allowed += f" or {finding.ceiling:.2%} in all"
    if common:
        said = "The old version fails as much, so the cause is likely not the new one."
    elif finding.verdict is Verdict.FAIL:
        said = f"That is worse than what is allowed, {allowed}."
    elif finding.verdict is Verdict.PASS:
        said = f"Allowed is {allowed}; {_effect(finding, finding.effect)} is ruled out."
    else:
        said = f"Too little to tell whether it keeps to {allowed}."
    return f"{said} {_smallest(finding)}"


def _smallest(finding: Finding) -> str:
    if finding.could_see is None:
        return "No effect could be found yet."
    return f"A true {_effect(finding, finding.could_see)} would have been found."
