"""What a declared workflow does next: a state machine. Pure.

::

    state = begin(workflow, …)
    until ``move(state)`` is an End: do it, then ``state = after(state, what it gave)``

The same workflow with the same outcomes always makes the same moves. So a run that is resumed, and
is given what was recorded, comes to where it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sutazai.fleet.conditions import holds, parse_condition
from sutazai.fleet.errors import BadInput, Failed, Refused, SutazaiError
from sutazai.fleet.templates import Scope, fill, fill_text, look_up, whole_path
from sutazai.fleet.workflows import Workflow, WorkflowStep
from sutazai.tasks.artifacts import slug
from sutazai.tasks.outcome import Outcome

ITEMS_MAX = 1000
"""Most items of one step."""


@dataclass(frozen=True)
class Piece:
    """One thing to do: a step, one item of it, one round of it.

    Args:
        name: what the run calls it, as ``draft``, ``draft#2`` (the second round), ``write[3]``.
        input: what the agent is given, or the question to a person.
        artifact: the file that the output is written to.
    """

    name: str
    step: WorkflowStep
    input: Any
    item: str = ""
    artifact: str | None = None


@dataclass(frozen=True)
class Do:
    """The pieces of one step, to be done side by side; each gives an Outcome."""

    step: WorkflowStep
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Skip:
    """A step whose condition does not hold."""

    name: str


@dataclass(frozen=True)
class End:
    """The run is over; ``name`` is the step that could not even be begun."""

    error: SutazaiError | None = None
    name: str | None = None


Move = Do | Skip | End


@dataclass(frozen=True)
class State:
    """How far a run is: before its step ``at``, in round ``round`` of the loop around it."""

    workflow: Workflow
    run: str
    input: Any
    at: int = 0
    round: int = 1
    outputs: Mapping[str, Any] = field(default_factory=dict)
    error: SutazaiError | None = None

    @property
    def step(self) -> WorkflowStep:
        return self.workflow.steps[self.at]

    @property
    def scope(self) -> Scope:
        """What the paths of the step begin in."""
        names = (step.name for step in self.workflow.steps)
        steps = {name: {"output": self.outputs.get(name)} for name in names}
        return {"input": self.input, "steps": steps, "round": self.round, "run": self.run}


def begin(workflow: Workflow, *, run: str, given: Any) -> State:
    """Before the first step."""
    return State(workflow, run, given)


def move(state: State) -> Move:
    """What is to be done now."""
    if state.error is not None or state.at == len(state.workflow.steps):
        return End(state.error)
    step, name = state.step, piece_name(state.step.name, state.round)
    try:
        if step.when is not None and not holds(parse_condition(step.when), state.scope):
            return Skip(name)
        return Do(step, _pieces(state))
    except BadInput as error:
        return End(error, name)


def after(state: State, outcomes: Sequence[Outcome] | None) -> State:
    """Once a move was made: ``outcomes`` are those of a Do, in order; None after a Skip."""
    if outcomes is None:
        return _next(_with(state, None))
    failed = [outcome for outcome in outcomes if not outcome.ok]
    if failed:
        return replace(state, error=_failure(state.step, failed, len(outcomes)))
    values = [outcome.value for outcome in outcomes]
    state = _with(state, values if state.step.map is not None else values[0])
    return _judged(state)


def piece_name(step: str, number: int, item: int | None = None) -> str:
    """What a run calls a step in a round, and one of its items; both count from 1."""
    of_item = "" if item is None else f"[{item}]"
    return f"{step}{of_item}" + (f"#{number}" if number > 1 else "")


def step_of(name: str) -> str:
    """The declared step that a piece belongs to."""
    return name.partition("#")[0].partition("[")[0]


# before a step


def _pieces(state: State) -> tuple[Piece, ...]:
    if state.step.map is None:
        return (_piece(state, state.scope, None),)
    path = whole_path(state.step.map)
    items = look_up(path, state.scope) if path else None
    if not isinstance(items, list) or len(items) > ITEMS_MAX:
        what = f"a list of {len(items)}" if isinstance(items, list) else "no list"
        raise BadInput(
            f"`map` of step `{state.step.name}`: {state.step.map} is {what}",
            hint=f"it needs a list of {ITEMS_MAX} at most; hold its step to one with `schema`",
        )
    return tuple(
        _piece(state, {**state.scope, "item": item, "number": number}, number)
        for number, item in enumerate(items, 1)
    )


def _piece(state: State, scope: Scope, number: int | None) -> Piece:
    step = state.step
    name = piece_name(step.name, state.round, number)
    if step.approval is not None:
        return Piece(name, step, fill_text(step.approval, scope))
    artifact = step.artifact and fill_text(step.artifact, scope, _part_of_a_name)
    item = "" if number is None else fill_text("${item}", scope)
    return Piece(name, step, fill(step.input, scope), item, artifact)


def _part_of_a_name(value: Any) -> str:
    return f"{value:02d}" if isinstance(value, int) else slug(fill_text("${it}", {"it": value}))


# after it


def _judged(state: State) -> State:
    """A step was done: a further round, or the next step."""
    step = state.step
    if step.repeat is None:
        refusal = _refusal(state) if step.approval is not None else None
        return replace(state, error=refusal) if refusal else _next(state)
    try:
        if holds(parse_condition(step.repeat.until), state.scope):
            return _next(state)
    except BadInput as error:
        return replace(state, error=error)
    if state.round == step.repeat.max:
        return replace(state, error=_too_often(step))
    loop = state.workflow.loop_around(state.at)
    return replace(state, at=loop[0] if loop else state.at, round=state.round + 1)


def _next(state: State) -> State:
    """The step after this one; what leaves its loop is in round 1 again."""
    loop = state.workflow.loop_around(state.at)
    left = loop is None or loop[1] == state.at
    return replace(state, at=state.at + 1, round=1 if left else state.round)


def _with(state: State, output: Any) -> State:
    return replace(state, outputs={**state.outputs, state.step.name: output})


def _refusal(state: State) -> SutazaiError | None:
    decision = state.outputs[state.step.name]
    if decision["approved"]:
        return None
    reason = f": {decision['comment']}" if decision["comment"] else ""
    return Refused(f"step `{state.step.name}` was rejected{reason}")


def _too_often(step: WorkflowStep) -> SutazaiError:
    most = step.repeat.max if step.repeat else 1
    return Failed(
        f"the loop of step `{step.name}` did not come to its end in {most} rounds",
        hint="raise `repeat.max`, or let `until` hold by then, as with `or ${round} == 3`",
    )


def _failure(step: WorkflowStep, failed: Sequence[Outcome], count: int) -> SutazaiError:
    first = failed[0].error
    reason = first["message"] if first else "it was withdrawn"
    what = f"{len(failed)} of {count} items of step" if step.map is not None else "step"
    return Failed(
        f"{what} `{step.name}` failed: {reason}", hint=first.get("hint") if first else None
    )
