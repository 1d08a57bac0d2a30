"""The verdict on evidence. Pure, and needs SciPy: control asks for it by ``asking``."""

from __future__ import annotations

from dataclasses import replace

from sutazai.fleet.rollout_criteria import RolloutCriteria
from sutazai.fleet.rollout_findings import Finding, Judgement, Metric, Verdict, unknown
from sutazai.rollout.evidence import words
from sutazai.rollout.evidence.cases import SLICES_LEAST, Case, Stage
from sutazai.rollout.evidence.comparison import (
    Comparison,
    Levels,
    at_least,
    at_most,
    could_see,
    verdict_of,
)
from sutazai.rollout.evidence.delivered import Evidence
from sutazai.rollout.evidence.mixtures import above
from sutazai.rollout.evidence.shares import Shares

_WORK = frozenset({Metric.ERRORS, Metric.TASKS})
"""What shows that there was work at all."""


def judge(criteria: RolloutCriteria, evidence: Evidence) -> Judgement:
    """What can be said from the evidence of one stage. It may be asked at any time, any often."""
    if len(evidence.clean()) < SLICES_LEAST:
        return unknown(words.too_early(evidence, SLICES_LEAST))
    cases = cases_of(criteria, evidence)
    used = [case for case in cases if case.is_used]
    if not any(case.metric in _WORK for case in used):
        return unknown("no traffic: neither version was given any work")
    levels = levels_of(criteria, evidence)
    findings = tuple(_finding(case, levels) for case in used)
    found = overall([each.verdict for each in findings])
    left_out = tuple(case.metric for case in cases if not case.is_used)
    return Judgement(found, words.reason(found, findings), findings, left_out)


def cases_of(criteria: RolloutCriteria, evidence: Evidence) -> tuple[Case, ...]:
    """One case a metric, from the slices that no trouble has spoiled."""
    last = evidence.stage == evidence.stages
    limits = criteria.end if last else criteria.phases
    return tuple(Stage(evidence.clean(), criteria, limits).cases())


def levels_of(criteria: RolloutCriteria, evidence: Evidence) -> Levels:
    """What is asked of each test so that the whole rollout keeps to its chances."""
    tests = len(Metric) * evidence.stages
    return Levels.of(criteria.false_alarms, criteria.misses, tests=tests)


def verdict_on(case: Case, levels: Levels) -> Verdict:
    """The verdict on one metric."""
    if case.comparison is None or _is_common(case, levels):
        return Verdict.INCONCLUSIVE
    return verdict_of(case.comparison, levels, limit=case.limit, effect=case.effect)


def overall(verdicts: list[Verdict]) -> Verdict:
    """One failure decides; a pass needs all."""
    if Verdict.FAIL in verdicts:
        return Verdict.FAIL
    passed = all(each is Verdict.PASS for each in verdicts)
    return Verdict.PASS if passed and verdicts else Verdict.INCONCLUSIVE


def _is_common(case: Case, levels: Levels) -> bool:
    """Both are in trouble, and green is not proven to be worse by as much as must be seen."""
    shares = case.comparison
    if not isinstance(shares, Shares) or case.common >= 1:
        return False
    arms = (shares.green, shares.blue)
    if any(above(arm.of, arm.bad, case.common) < levels.miss for arm in arms):
        return False
    return shares.worse(case.effect) < levels.alarm


def _finding(case: Case, levels: Levels) -> Finding:
    comparison, metric = case.comparison, case.metric
    unit, shown = words.scale(metric)
    found = verdict_on(case, levels)
    finding = Finding(
        metric=metric,
        verdict=found,
        unit=unit,
        green=case.green,
        blue=case.blue,
        limit=shown(case.limit),
        effect=shown(case.effect),
        ceiling=case.ceiling,
        figures=case.figures,
    )
    if comparison is None:
        return words.told(finding)
    finding = replace(
        finding,
        estimate=shown(comparison.estimate),
        at_least=_shown(at_least(_bare(comparison), levels), metric),
        at_most=_shown(at_most(comparison, levels), metric),
        could_see=_shown(could_see(comparison, levels, limit=case.limit), metric),
    )
    return words.told(finding, common=_is_common(case, levels))


def _bare(comparison: Comparison) -> Comparison:
    """Without a ceiling, which is no matter of how the arms differ."""
    return replace(comparison, ceiling=0.0) if isinstance(comparison, Shares) else comparison


def _shown(effect: float | None, metric: Metric) -> float | None:
    return None if effect is None else words.scale(metric)[1](effect)
