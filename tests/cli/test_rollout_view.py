"""How `sutazai rollout status` looks."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from sutazai.cli.rollout_view import rollout_view
from sutazai.fleet.rollout_findings import Finding, Judgement, Metric, Verdict, figure_text
from sutazai.fleet.rollouts import Moment, RolloutPlan, RolloutState, RolloutView, Stage, Step

LATENCY = Finding(
    metric=Metric.LATENCY,
    verdict=Verdict.FAIL,
    unit="ratio",
    green=1_200,
    blue=1_100,
    limit=1.5,
    effect=2.0,
    ceiling=0.0,
    figures=(0.5, 0.25),
    text="response time (p95): 2.00 times the old version's.",
    could_see=1.8,
)
ERRORS = replace(
    LATENCY,
    metric=Metric.ERRORS,
    verdict=Verdict.PASS,
    unit="difference",
    limit=0.001,
    effect=0.05,
    figures=(0.01, 0.0),
    text="failed requests: +1.00 points.",
    could_see=None,
)


def shown(**more: Any) -> str:
    given = {
        "id": "rollout-3",
        "before": 6,
        "after": 7,
        "plan": RolloutPlan(),
        "stages": (Stage(name="10 %", agents=("ann", "bob"), lasts=60.0),),
        "step": Step.MEASURE,
        "history": (Moment(number=1, at=0.0, step=Step.MEASURE, text="it is measured"),),
    }
    state = RolloutState.model_validate({**given, **more})
    console = Console(file=io.StringIO(), width=240, markup=False)
    console.print(rollout_view(RolloutView(number=3, told="compares both versions", state=state)))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_before_anybody_was_asked_there_is_no_evidence() -> None:
    text = shown()
    assert "rollout 3: revision 6 → 7, measure" in text and "it is measured" in text
    assert "evidence" not in text


def test_both_versions_stand_beside_each_other_with_what_could_have_been_seen() -> None:
    said = Judgement(Verdict.FAIL, "it is slower", (LATENCY, ERRORS), (Metric.TOOLS,))
    lines = [" ".join(line.split()) for line in shown(evidence=said).splitlines()]
    assert "evidence: fail" in lines
    assert "latency fail 500ms 250ms 1,200 / 1,100 150% of the old 180% of the old" in lines
    assert "errors pass 1.00% fail 0.00% fail 1,200 / 1,100 +0.10 points -" in lines
    assert "latency: response time (p95): 2.00 times the old version's." in lines
    assert not any(line.startswith("errors: ") for line in lines), "what passed is told once"
    assert "neither version had any: tools" in lines


def test_why_nothing_can_be_said_is_told() -> None:
    said = Judgement(Verdict.INCONCLUSIVE, "only 3 slices of time so far; 8 are needed")
    text = shown(evidence=said)
    assert "evidence: inconclusive" in text and said.reason in text


def test_what_was_said_is_kept_with_the_rollout() -> None:
    said = Judgement(Verdict.FAIL, "it is slower", (LATENCY, ERRORS), (Metric.TOOLS,))
    state = RolloutState(
        id="rollout-3", before=6, after=7, plan=RolloutPlan(), stages=(), evidence=said
    )
    assert RolloutState.model_validate(state.model_dump(mode="json")).evidence == said


@pytest.mark.parametrize("metric", list(Metric))
def test_every_metric_is_written_with_its_unit(metric: Metric) -> None:
    assert any(letter.isalpha() for letter in figure_text(metric, 0.25))
