"""What a workflow does next, for any workflow and anything that its steps may give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.fleet.errors import Refused
from sutazai.fleet.workflows import Repeat, Workflow, WorkflowStep
from sutazai.tasks.outcome import Outcome
from sutazai.tasks.workflow.machine import (
    ITEMS_MAX,
    Do,
    End,
    Piece,
    Skip,
    State,
    after,
    begin,
    move,
    step_of,
)

Give = Callable[[Piece], Outcome]


def workflow(*steps: dict[str, Any]) -> Workflow:
    return Workflow.model_validate({"steps": steps})


def walked(flow: Workflow, give: Give, given: Any = None) -> tuple[list[str], State]:
    """The names of what was done and skipped, in order, and the end."""
    state, names = begin(flow, run="run-1", given=given), []
    while not isinstance(todo := move(state), End):
        if isinstance(todo, Skip):
            names.append(f"-{todo.name}")
            state = after(state, None)
        else:
            names += [piece.name for piece in todo.pieces]
            state = after(state, [give(piece) for piece in todo.pieces])
    return names, state


def echo(piece: Piece) -> Outcome:
    return Outcome({"approved": True, "comment": ""} if piece.step.approval else piece.input)


WRITE = {"name": "write", "agent": "a", "map": "${input.parts}", "input": "${number}: ${item}"}


def test_steps_follow_each_other_and_get_what_was_given_before() -> None:
    flow = workflow(
        {"name": "plan", "agent": "a", "input": {"of": "${input.goal}", "n": [1, "$${x}"]}},
        {"name": "do", "agent": "a", "input": "${steps.plan.output} in ${run}"},
    )
    names, state = walked(flow, echo, {"goal": ["tea", 2]})
    assert names == ["plan", "do"]
    assert state.outputs["plan"] == {"of": ["tea", 2], "n": [1, "${x}"]}
    assert state.outputs["do"] == '{"of": ["tea", 2], "n": [1, "${x}"]} in run-1'


def test_a_list_is_worked_through_item_by_item() -> None:
    flow = workflow(WRITE | {"artifact": "${number}-${item}.md"})
    todo = move(begin(flow, run="r", given={"parts": ["A b/../c", "ä"]}))
    assert isinstance(todo, Do)
    assert [(piece.name, piece.artifact, piece.item) for piece in todo.pieces] == [
        ("write[1]", "01-a-b-c.md", "A b/../c"),
        ("write[2]", "02-a.md", "ä"),
    ]
    names, state = walked(flow, echo, {"parts": ["x", "y"]})
    assert (names, state.outputs["write"]) == (["write[1]", "write[2]"], ["1: x", "2: y"])
    assert walked(flow, echo, {"parts": []})[1].outputs["write"] == []


def test_what_its_condition_forbids_is_skipped_and_gives_null() -> None:
    flow = workflow(
        {"name": "ask", "agent": "a", "input": 1, "when": "${input} > 2"},
        {"name": "go", "agent": "a", "input": "<${steps.ask.output.deep.in.it}>"},
    )
    assert walked(flow, echo, 2)[0] == ["-ask", "go"]
    assert walked(flow, echo, 2)[1].outputs == {"ask": None, "go": "<>"}
    assert walked(flow, echo, 3)[0] == ["ask"], "a number has nothing in it, so `go` cannot begin"


LOOP = workflow(
    {"name": "draft", "agent": "a", "input": "${steps.review.output.comments} ${round}"},
    {
        "name": "review",
        "agent": "b",
        "input": "${steps.draft.output}",
        "repeat": {"from": "draft", "until": "${steps.review.output.good}", "max": 3},
    },
    {"name": "publish", "agent": "a", "input": "${steps.draft.output}"},
)


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_a_loop_ends_when_its_condition_holds(rounds: int) -> None:
    def give(piece: Piece) -> Outcome:
        if piece.step.name != "review":
            return Outcome(piece.input)
        return Outcome({"good": piece.name.endswith(f"#{rounds}") or rounds == 1, "comments": "no"})

    names, state = walked(LOOP, give)
    assert names[:2] == ["draft", "review"] and names[-1] == "publish"
    assert len(names) == 2 * rounds + 1
    assert state.outputs["publish"] == (" 1" if rounds == 1 else f"no {rounds}")


def test_a_loop_that_does_not_end_fails_the_run() -> None:
    names, state = walked(LOOP, lambda piece: Outcome({"good": False, "comments": 1}))
    assert names == ["draft", "review", "draft#2", "review#2", "draft#3", "review#3"]
    assert "did not come to its end in 3 rounds" in str(state.error)


def test_a_rejection_ends_the_run_unless_it_is_looped_over() -> None:
    no = Outcome({"approved": False, "comment": "too long"})
    sign = {"name": "sign", "approval": "Publish?"}
    _, state = walked(workflow(sign), lambda piece: no)
    assert isinstance(state.error, Refused) and "was rejected: too long" in str(state.error)
    again = {"until": "${steps.sign.output.approved} or ${round} == 2"}
    names, state = walked(workflow(sign | {"repeat": again}), lambda piece: no)
    assert (names, state.error) == (["sign", "sign#2"], None)


@pytest.mark.parametrize("parts", ["text", {"a": 1}, None, [0] * (ITEMS_MAX + 1)])
def test_what_is_no_list_is_not_mapped_over(parts: Any) -> None:
    todo = move(begin(workflow(WRITE), run="r", given={"parts": parts}))
    assert isinstance(todo, End) and todo.name == "write"
    assert todo.error is not None and todo.error.code == "BadInput"


CONDITIONS = ("${input} > 1", "${input} > 3", None)
UNTIL = "${steps.%s.output} == 1"


@st.composite
def workflows(draw: st.DrawFn) -> Workflow:
    steps, free = [], 0
    for at in range(draw(st.integers(1, 6))):
        name = f"s{at}"
        step: dict[str, Any] = {"name": name, "agent": "a", "input": "${input}"}
        if draw(st.booleans()):
            step["when"] = draw(st.sampled_from(CONDITIONS))
        if draw(st.booleans()):
            begin_at = draw(st.integers(free, at))
            most = draw(st.integers(1, 3))
            step["repeat"] = Repeat(from_=f"s{begin_at}", until=UNTIL % name, max=most)
            free = at + 1
        elif at and draw(st.booleans()):
            step["map"] = "${steps.s0.output}"
        steps.append(WorkflowStep.model_validate(step))
    return Workflow(steps=tuple(steps))


outcomes = st.one_of(
    st.integers(0, 4).map(Outcome),
    st.lists(st.integers(0, 2), max_size=3).map(Outcome),
    st.just(Outcome(error={"code": "AgentFailed", "message": "no"})),
)


@given(flow=workflows(), given_input=st.integers(0, 5), data=st.data())
def test_any_workflow_comes_to_an_end_and_does_nothing_twice(
    flow: Workflow, given_input: int, data: st.DataObject
) -> None:
    recorded: dict[str, Outcome] = {}

    def give(piece: Piece) -> Outcome:
        assert piece.name not in recorded
        recorded[piece.name] = data.draw(outcomes)
        return recorded[piece.name]

    names, state = walked(flow, give, given_input)
    assert len(set(names)) == len(names)
    for at, step in enumerate(flow.steps):
        begun = [name for name in names if step_of(name.removeprefix("-")) == step.name]
        loop = flow.loop_around(at)
        repeat = flow.steps[loop[1]].repeat if loop else None
        rounds = {name.partition("#")[2] for name in begun}
        assert len(rounds) <= (repeat.max if repeat else 1)
    failed = [name for name, outcome in recorded.items() if not outcome.ok]
    assert not failed or (state.error is not None and step_of(failed[0]) == step_of(names[-1]))

    again, resumed = walked(flow, lambda piece: recorded[piece.name], given_input)
    assert (again, resumed.outputs) == (names, state.outputs), "what was recorded leads there again"
    assert str(resumed.error) == str(state.error)
