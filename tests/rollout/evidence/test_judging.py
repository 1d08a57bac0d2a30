"""What is said of versions that are better, worse, alike, or not known."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import ValidationError

from sutazai.fleet.rollout_criteria import Limits, RolloutCriteria
from sutazai.fleet.rollout_findings import Finding, Judgement, Metric, Verdict
from sutazai.rollout.evidence.delivered import Delivered, Evidence, Slice, Trouble
from sutazai.rollout.evidence.judging import judge
from sutazai.rollout.evidence.tallies import Tally
from tests.rollout.evidence.deliveries import Arm, evidence, version

CRITERIA = RolloutCriteria()
SAME = version()


def finding(judgement: Judgement, metric: Metric) -> Finding:
    return next(each for each in judgement.findings if each.metric is metric)


def test_the_same_version_passes_and_each_metric_says_what_it_could_have_seen() -> None:
    judgement = judge(CRITERIA, evidence(SAME, SAME))

    assert judgement.verdict is Verdict.PASS, judgement.reason
    assert {each.metric for each in judgement.findings} == set(Metric)
    for each in judgement.findings:
        assert each.verdict is Verdict.PASS
        assert each.at_least is not None and each.at_most is not None and each.could_see is not None
        assert each.estimate is not None
        assert f"{each.green:,}" in each.text and "would have been found" in each.text
        low, high = sorted((each.at_least, each.at_most))
        assert low <= each.estimate <= high


@pytest.mark.parametrize(
    ("worse", "metric"),
    [
        (version(errors=0.055), Metric.ERRORS),
        (version(slower=2.2), Metric.LATENCY),
        (version(failed=0.06), Metric.TASKS),
        (version(done=0.6), Metric.TASK_RATE),
        (version(tools=0.12), Metric.TOOLS),
        (version(tokens=2.0), Metric.TOKENS),
        (version(memory=1.5), Metric.MEMORY),
        (version(leak=0.02), Metric.MEMORY),
        (version(cpu=1.5), Metric.CPU),
    ],
)
def test_a_worse_version_fails_by_what_is_worse_and_nothing_else(
    worse: Arm, metric: Metric
) -> None:
    judgement = judge(CRITERIA, evidence(worse, SAME))

    failed = [each.metric for each in judgement.findings if each.verdict is Verdict.FAIL]
    assert (judgement.verdict, failed) == (Verdict.FAIL, [metric])
    assert finding(judgement, metric).text in judgement.reason


def test_a_better_version_passes() -> None:
    better = version(errors=0.0, slower=0.7, tokens=0.7, memory=0.8, cpu=0.7)

    assert judge(CRITERIA, evidence(better, SAME)).verdict is Verdict.PASS


def test_a_version_that_answers_and_finishes_nothing_fails() -> None:
    judgement = judge(CRITERIA, evidence(version(done=0.0), SAME))

    assert finding(judgement, Metric.TASK_RATE).verdict is Verdict.FAIL


def test_a_small_sample_says_nothing_however_bad_it_looks() -> None:
    judgement = judge(CRITERIA, evidence(version(requests=2, slower=3), version(requests=2)))

    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "too few to say anything (80 responses" in finding(judgement, Metric.LATENCY).text


def test_no_traffic_is_inconclusive() -> None:
    idle = Slice(Delivered(exposure=1.0), Delivered(exposure=1.0))

    judgement = judge(CRITERIA, Evidence(1, 5, (idle,) * 40))

    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "no traffic" in judgement.reason


def test_too_early_is_inconclusive() -> None:
    judgement = judge(CRITERIA, evidence(version(errors=1.0), SAME, slices=3))

    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "only 3 slices" in judgement.reason


def test_what_nobody_used_is_left_out() -> None:
    found = evidence(SAME, SAME)
    bare = tuple(
        Slice(replace(each.green, tools=Tally()),
              replace(each.blue, tools=Tally()))
        for each in found.slices
    )  # fmt: skip

    judgement = judge(CRITERIA, replace(found, slices=bare))

    assert (judgement.verdict, judgement.left_out) == (Verdict.PASS, (Metric.TOOLS,))


def test_slices_with_trouble_are_no_evidence() -> None:
    """A burst while the LLM is down is not held against green."""
    good = evidence(SAME, SAME)
    bad = evidence(version(errors=0.9), version(errors=0.9), seed=2).slices[:10]
    spoiled = tuple(replace(each, trouble=(Trouble.LLM_DOWN,)) for each in bad)

    assert judge(CRITERIA, replace(good, slices=good.slices + spoiled)).verdict is Verdict.PASS
    judgement = judge(CRITERIA, replace(good, slices=good.slices[:5] + spoiled))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "llm-down" in judgement.reason


def test_trouble_that_hits_both_is_inconclusive() -> None:
    judgement = judge(CRITERIA, evidence(version(errors=0.24), version(errors=0.2)))

    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "The old version fails as much" in finding(judgement, Metric.ERRORS).text


def test_much_worse_than_a_bad_old_version_still_fails() -> None:
    assert (
        judge(CRITERIA, evidence(version(errors=0.6), version(errors=0.1))).verdict is Verdict.FAIL
    )


def test_a_version_that_mends_a_bad_old_one_passes() -> None:
    assert judge(CRITERIA, evidence(SAME, version(errors=0.2, failed=0.2))).verdict is Verdict.PASS


def test_what_is_worse_but_keeps_the_ceiling_does_not_fail() -> None:
    """Tasks have to be completed to 99.5 %, whatever the old version does."""
    judgement = judge(CRITERIA, evidence(version(failed=0.004), version(failed=0.0), slices=80))

    assert finding(judgement, Metric.TASKS).verdict is not Verdict.FAIL


def test_failures_in_clumps_count_for_less() -> None:
    """As many failures, but all in four slices: that happens by chance."""
    steady = evidence(version(errors=0.03), version(errors=0.001))
    green = [
        replace(each.green, requests=replace(each.green.requests, bad=0)) for each in steady.slices
    ]
    for at in (3, 12, 20, 31):
        green[at] = replace(green[at], requests=replace(green[at].requests, bad=18))
    clumped = tuple(
        replace(each, green=new) for each, new in zip(steady.slices, green, strict=True)
    )

    assert finding(judge(CRITERIA, steady), Metric.ERRORS).verdict is Verdict.FAIL
    clumps = judge(CRITERIA, replace(steady, slices=clumped))
    assert finding(clumps, Metric.ERRORS).verdict is Verdict.INCONCLUSIVE


def test_the_last_stage_has_limits_of_its_own() -> None:
    criteria = RolloutCriteria(end=Limits(p95=1.2))
    slower = version(requests=200, slower=1.5)

    in_a_phase = judge(criteria, evidence(slower, version(requests=200), stage=4))
    at_the_end = judge(criteria, evidence(slower, version(requests=200), stage=5))

    assert finding(in_a_phase, Metric.LATENCY).verdict is not Verdict.FAIL
    assert finding(at_the_end, Metric.LATENCY).verdict is Verdict.FAIL


def test_extremes_are_judged_without_a_warning() -> None:
    everything = version(errors=1.0, failed=1.0, tools=1.0)
    nothing = version(errors=0.0, failed=0.0, tools=0.0)

    assert judge(CRITERIA, evidence(everything, nothing)).verdict is Verdict.FAIL
    assert judge(CRITERIA, evidence(nothing, everything)).verdict is not Verdict.FAIL
    assert judge(CRITERIA, evidence(nothing, nothing)).verdict is Verdict.PASS


def test_criteria_are_read_as_people_write_them() -> None:
    criteria = RolloutCriteria.model_validate(
        {"end": {"p95": "140%", "llm_success": "99.9%"}, "rollback": {"memory": "85%"}}
    )

    assert criteria.end.p95 == pytest.approx(1.4)
    assert criteria.end.llm_success == pytest.approx(0.999)
    assert criteria.rollback.memory == 0.85
    with pytest.raises(ValidationError, match="larger than the limit"):
        RolloutCriteria.model_validate({"effects": {"p95": 1.4}})
