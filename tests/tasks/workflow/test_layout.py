"""How the steps of a declared run are shown while they become known."""

from __future__ import annotations

from functools import partial

from sutazai.fleet.work import Decision, Run, WorkState
from sutazai.fleet.workflows import Workflow
from sutazai.tasks import record
from sutazai.tasks.workflow import layout
from sutazai.tasks.workflow.machine import Do, Piece

FLOW = Workflow.model_validate(
    {
        "steps": [
            {"name": "plan", "agent": "a", "input": 1},
            {"name": "write", "agent": "b", "map": "${input}", "input": "${item}"},
            {"name": "sign", "approval": "Well?"},
        ]
    }
)
PLAN, WRITE, SIGN = FLOW.steps


def new_run() -> Run:
    return Run(
        id="r",
        workflow="book",
        goal="",
        state=WorkState.PENDING,
        created=1.0,
        steps=layout.opening(FLOW),
    )


def names(run: Run) -> list[str]:
    return [step.name for step in run.steps]


def items(suffix: str = "") -> Do:
    return Do(WRITE, tuple(Piece(f"write[{n}]{suffix}", WRITE, n, item=f"i{n}") for n in (1, 2)))


def planned() -> Run:
    return record.finished(record.started(new_run(), "plan", 2.0), "plan", 3.0, None)


def test_items_take_the_place_of_their_step_once() -> None:
    run = layout.laid_out(layout.laid_out(planned(), items()), items())
    assert names(run) == ["plan", "write[1]", "write[2]", "sign"]
    assert [step.item for step in run.steps] == ["", "i1", "i2", ""]


def test_a_further_round_comes_before_what_was_not_begun() -> None:
    run = layout.laid_out(planned(), items())
    for name in ("write[1]", "write[2]"):
        run = record.finished(run, name, 4.0, None)
    for _ in range(2):
        run = layout.laid_out(run, items("#2"))
    assert names(run) == ["plan", "write[1]", "write[2]", "write[1]#2", "write[2]#2", "sign"]


def test_what_is_laid_out_again_after_a_crash_keeps_what_was_done() -> None:
    run = layout.laid_out(planned(), items())
    run = record.finished(record.started(run, "write[2]", 4.0), "write[2]", 5.0, None)
    assert layout.laid_out(run, items()) == run


def test_a_step_with_nothing_to_do_is_done() -> None:
    run = planned()
    for at in (5.0, 6.0):
        run = layout.passed(run, WRITE, "write#2", at, "no items")
    assert names(run) == ["plan", "write#2", "write", "sign"]
    assert (run.steps[1].state, run.steps[1].item) == (WorkState.DONE, "no items")


def test_an_answer_stays_when_the_question_is_asked_again() -> None:
    asked = partial(layout.asked, "Well?")
    run = asked(asked(planned(), "sign", 4.0), "sign", 9.0)
    assert (run.steps[-1].state, run.steps[-1].started) == (WorkState.WAITING, 4.0)
    assert (run.state, run.steps[-1].attempts) == (WorkState.RUNNING, 1)
    run = layout.decided(run, "sign", Decision(approved=True, at=10.0))
    run = asked(run, "sign", 11.0)
    assert (run.steps[-1].state, run.steps[-1].decision) == (
        WorkState.RUNNING,
        Decision(approved=True, at=10.0),
    )
