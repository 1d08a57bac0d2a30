"""What single pages show of what they are told: everything, and texts from outside as texts."""

from __future__ import annotations

import pytest

from sutazai.fleet.alert_status import Acknowledgement, Alert, AlertSeries, AlertState, Silence
from sutazai.fleet.alerting import Severity
from sutazai.fleet.desired import Kind
from sutazai.fleet.drift import DriftFinding, DriftKind, DriftReport
from sutazai.fleet.errors import BadInput
from sutazai.fleet.revisions import Difference, Effect, FieldChange, RevisionInfo, UnitChange
from sutazai.fleet.rollout_findings import Finding, Judgement, Metric, Verdict, figure_text
from sutazai.fleet.rollouts import Moment, RolloutPlan, RolloutState, RolloutView, Stage, Step
from sutazai.fleet.scheduling import Schedule, ScheduledTask, ScheduleState, ScheduleStatus
from sutazai.fleet.work import Artifact, Run, StepStatus, Task, WorkState
from sutazai.web.look.chart import Line, chart
from sutazai.web.look.evidence import evidence_html
from sutazai.web.look.flow import flow
from sutazai.web.look.verdict import verdict
from sutazai.web.pages import (
    alerts,
    dead,
    drift,
    gateway,
    revisions,
    rollouts,
    run,
    schedules,
    work,
)
from sutazai.web.pages.approvals import approvals_html
from tests.web.tags import Tags
from tests.web.test_look import agent, fleet

HOSTILE = "<script>alert('x')</script>\"'&"
GREEN = ("a",)


def rollout(step: Step = Step.MEASURE, was: Step | None = None) -> RolloutView:
    """Of two phases the first is measured."""
    state = RolloutState(
        id="rollout-1",
        before=1,
        after=2,
        plan=RolloutPlan(),
        stages=(
            Stage(name=HOSTILE, agents=GREEN, lasts=60),
            Stage(name="2", agents=("b",), lasts=60),
        ),
        step=step,
        was=was,
        moved=GREEN,
        split=True,
        green=GREEN,
        baseline=GREEN,
        blue=("a", "b"),
        failed=HOSTILE,
        trouble=HOSTILE,
        alone=(HOSTILE,),
        history=(Moment(number=1, at=0, step=step, text=HOSTILE),),
    )
    return RolloutView(number=1, told=HOSTILE, state=state)


def run_of(*steps: StepStatus) -> Run:
    return Run(
        id=HOSTILE,
        workflow="w",
        goal=HOSTILE,
        state=WorkState.RUNNING,
        created=0.0,
        notes=(HOSTILE,),
        error={"message": HOSTILE},
        steps=steps,
        artifacts=(Artifact(name=HOSTILE, path=HOSTILE, size=1, sha256=HOSTILE),),
    )


def step(name: str, state: WorkState = WorkState.DONE) -> StepStatus:
    return StepStatus(name=name, agent=HOSTILE, state=state, item=HOSTILE)


def alert(severity: Severity = Severity.CRITICAL, *, muted: str = "") -> Alert:
    series = tuple(AlertSeries(labels={"agent": HOSTILE}, value=1.0) for _ in range(2))
    return Alert(
        id=HOSTILE,
        rule=HOSTILE,
        severity=severity,
        state=AlertState.FIRING,
        summary=HOSTILE,
        hint=HOSTILE,
        count=2,
        series=series,
        since=0.0,
        muted=muted,
        acknowledged=Acknowledgement(by=HOSTILE, at=0.0, note=HOSTILE),
    )


def finding(kind: DriftKind = DriftKind.PORT, *, healed: float | None = None) -> DriftFinding:
    return DriftFinding(
        kind=kind,
        unit=HOSTILE,
        what=HOSTILE,
        expected=HOSTILE,
        seen=HOSTILE,
        since=0.0,
        healed=healed,
    )


def test_hostile_texts_make_no_elements() -> None:
    status = fleet(agent(HOSTILE, reason=HOSTILE), problems=(HOSTILE,))
    one, task = (
        run_of(step(HOSTILE, WorkState.WAITING)),
        Task(
            id=HOSTILE,
            agent=HOSTILE,
            state=WorkState.FAILED,
            created=0.0,
            error={"message": HOSTILE},
        ),
    )
    info = RevisionInfo(number=2, fleet=HOSTILE, author=HOSTILE, at=0.0, reason=HOSTILE)
    change = FieldChange(path=HOSTILE, before=HOSTILE, after=[HOSTILE])
    unit = UnitChange(name=HOSTILE, kind=Kind.AGENT, effect=Effect.MOVED, fields=(change,))
    found = finding(healed=1.0)
    silence = Silence(
        id=HOSTILE, since=0.0, matchers={"agent": HOSTILE}, until=1.0, by=HOSTILE, why=HOSTILE
    )
    schedule = Schedule(cron="0 2 * * *", task=ScheduledTask(group=HOSTILE, input=1))
    stats = dict.fromkeys(
        ("running", "done", "failed", "rejected", "expired", "cache_hits", "shared"), 0
    )
    entry = {"position": 1, "client": HOSTILE, "priority": HOSTILE, "target": HOSTILE}
    queue = {"waiting": 1, "entries": [{**entry, "waited": 1.0, "eta": None}]}

    for shown in (
        verdict(status, [alert()]),
        alerts.alerts_html([alert()]),
        alerts.silences_html([silence]),
        approvals_html([one]),
        dead.dead_html([task]),
        drift.found_html(DriftReport(at=1.0, findings=(found,))),
        drift.found_html(DriftReport(at=1.0, healed=(found,))),
        drift.found_html(DriftReport(at=1.0, unchecked=(HOSTILE,))),
        flow(one.steps),
        gateway.gateway_html({**stats, "oldest_wait": 0.0}, queue, [], []),
        revisions.difference_html(Difference(before=1, after=2, units=(unit,), settings=(change,))),
        revisions.history_html([info]),
        rollouts.body_html(rollout().state),
        rollouts.head_html(rollout()),
        run.buttons_html(one),
        run.files_html(one),
        run.head_html(one),
        run.steps_html(one),
        schedules.schedules_html(
            [
                ScheduleStatus(
                    name=HOSTILE, schedule=schedule, state=ScheduleState(name="s", last=HOSTILE)
                )
            ]
        ),
        work.runs_html([one]),
        work.tasks_html([task]),
    ):
        assert "script" not in Tags(shown).names
        assert any("<script>" in text for text in Tags(shown).texts)


def test_alerts_come_before_everything_that_follows_from_them() -> None:
    known = fleet(problems=("planner is failed",))
    quiet = [alert(muted="cause: x"), alert(Severity.INFO)]

    shown = verdict(known, [*quiet, alert()])

    assert shown.index("/alerts") < shown.index("planner is failed")
    assert "2 things need you" in shown
    assert "All is well" in verdict(fleet(), quiet)


def test_items_of_a_step_stand_in_one_column_and_rounds_in_their_own() -> None:
    names = ("plan", "write[1]", "write[2]", "review", "write[1]#2", "write[2]#2", "review#2")
    shown = flow([step(name) for name in names])

    assert shown.count("<li><ul>") == 5
    assert shown.count('class="node') == 7


def test_both_versions_stand_side_by_side() -> None:
    shown = rollouts.body_html(rollout().state)

    assert "green 50 %, baseline 50 %" in shown
    assert 'data-do="pause"' in rollouts.buttons_html(rollout())
    assert 'data-do="resume"' in rollouts.buttons_html(rollout(Step.PAUSED, Step.MEASURE))


def test_drift_is_told_kind_by_kind() -> None:
    counts = {DriftKind.PORT: 30, DriftKind.VERSION: 10}
    report = DriftReport(at=1.0, score=0.025, checked=40, by_kind=counts, findings=(finding(),))

    score, found = drift.score_html(report), drift.found_html(report)

    assert "1 of 40 facts are not as declared" in score
    assert "2.5%" in score
    assert "port: who listens on the fleet" in found
    assert "version: what the host runs" not in found
    assert found.count("not looked at<") == len(DriftKind) - len(counts)


def test_without_drift_everything_is_as_declared() -> None:
    assert "Everything runs as it is declared" in drift.score_html(DriftReport(at=1.0, checked=4))
    assert "Nothing was looked at yet" in drift.score_html(DriftReport(at=0.0))
    assert "verdict bad" in drift.score_html(
        DriftReport(at=1.0, score=0.5, checked=2, findings=(finding(),))
    )


def judged(metric: Metric, verdict: Verdict = Verdict.PASS) -> Finding:
    return Finding(
        metric=metric,
        verdict=verdict,
        unit="ratio",
        green=1_200,
        blue=1_100,
        limit=1.5,
        effect=2.0,
        ceiling=0.0,
        figures=(0.25, 0.5),
        text=HOSTILE,
    )


def test_evidence_stands_side_by_side_with_its_verdict_in_words() -> None:
    findings = (judged(Metric.LATENCY, Verdict.FAIL), judged(Metric.ERRORS))
    said = Judgement(Verdict.FAIL, HOSTILE, findings, (Metric.TOOLS,))
    shown = evidence_html(said)
    told = " | ".join(Tags(shown).texts)

    assert "script" not in Tags(shown).names
    assert "latency | fail | 250ms | 500ms | 1,200 / 1,100 | <script>" in told
    assert "errors | pass | 25.00% fail | 50.00% fail" in told
    assert "Neither version had any: tools." in told
    assert "Nothing was judged yet" in evidence_html(None)


@pytest.mark.parametrize("metric", list(Metric))
def test_every_metric_is_written_with_its_unit(metric: Metric) -> None:
    assert any(letter.isalpha() for letter in figure_text(metric, 0.25))


def test_a_chart_has_gaps_where_nothing_was_measured() -> None:
    line = Line(times=(0, 10, 20, 100, 110), values=(0, 1, 2, 2, 4), step=10)
    shown = chart("Memory", [line], "{:g} MiB".format, start=0, end=120)

    assert shown.count("<polyline") == 2
    assert "Memory: now 4 MiB, at most 4 MiB" in shown
    assert 'points="0.0,120.0 50.0,90.0 100.0,60.0"' in shown
    assert "Nothing was measured" in chart("CPU", [], str, start=0, end=1)


def test_labels_to_silence_are_read_from_words() -> None:
    assert alerts.matchers_of("alert=a agent=b=c") == {"alert": "a", "agent": "b=c"}


@pytest.mark.parametrize("text", ["", "alert", "=x", "alert="])
def test_what_is_no_label_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        alerts.matchers_of(text)
