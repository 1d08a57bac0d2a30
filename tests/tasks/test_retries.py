"""When another attempt is made, and how a run is written down."""

from __future__ import annotations

import pytest

from sutazai.fleet.errors import (
    AgentFailed,
    BadInput,
    ConnectFailed,
    NotFound,
    SutazaiError,
    Unauthenticated,
)
from sutazai.fleet.work import Artifact, Run, StepStatus, WorkState
from sutazai.tasks import record
from sutazai.tasks.retries import NOT_THE_AGENTS, Retries


def test_delays_grow_to_a_bound_until_the_limit() -> None:
    retries = Retries(5, first=1.0, longest=6.0)
    delays = [retries.delay(failures, AgentFailed("x")) for failures in range(1, 7)]
    assert delays == [1.0, 2.0, 4.0, 6.0, 6.0, None]


@pytest.mark.parametrize("error", [BadInput("x"), NotFound("x"), Unauthenticated("x")])
def test_what_cannot_get_better_is_not_tried_again(error: SutazaiError) -> None:
    assert Retries(5).delay(1, error) is None


def test_a_task_is_tried_again_only_when_the_way_to_the_agent_broke() -> None:
    retries = Retries(5, only=NOT_THE_AGENTS)
    assert retries.delay(1, ConnectFailed("x")) == 1.0
    assert retries.delay(1, AgentFailed("x")) is None


def new_run() -> Run:
    steps = [StepStatus(name=n, agent="a", state=WorkState.PENDING) for n in ("plan", "review")]
    return Run(
        id="run-1",
        workflow="standard",
        goal="g",
        state=WorkState.PENDING,
        created=1.0,
        steps=tuple(steps),
    )


def test_applying_a_change_twice_leaves_one_effect() -> None:
    artifact = Artifact(name="plan.md", path="/x", size=1, sha256="0")
    execute = StepStatus(name="execute-01", agent="e", state=WorkState.PENDING)
    run = record.started(new_run(), "plan", 2.0)
    for _ in range(2):
        run = record.noted(record.finished(run, "plan", 3.0, artifact), "note")
        run = record.planned(run, [execute])
    assert [step.name for step in run.steps] == ["plan", "execute-01", "review"]
    assert run.artifacts == (artifact,) and run.notes == ("note",)
    assert run.steps[0].attempts == 1


def test_each_attempt_counts_and_the_first_start_stays() -> None:
    run = record.started(new_run(), "plan", 2.0)
    run = record.stumbled(run, "plan", {"code": "Failed"})
    run = record.started(run, "plan", 5.0)
    assert (run.steps[0].attempts, run.steps[0].started) == (2, 2.0)
    assert run.state is WorkState.RUNNING


def test_a_run_that_ends_closes_the_steps_that_never_will() -> None:
    run = record.failed(record.started(new_run(), "plan", 2.0), "plan", 3.0, {"code": "Failed"})
    run = record.ended(run, WorkState.FAILED, 4.0, {"code": "Failed"})
    assert [step.state for step in run.steps] == [WorkState.FAILED, WorkState.CANCELLED]
    assert run.ended == 4.0
