"""How a declared run shows its steps: map items and rounds appear as they are known. Pure.

Each function may be applied twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from sutazai.fleet.errors import Conflict, NotFound
from sutazai.fleet.work import Decision, Run, StepStatus, WorkState
from sutazai.fleet.workflows import Workflow, WorkflowStep
from sutazai.tasks.workflow.machine import Do, Piece, step_of

ITEM_MAX = 200
SKIPPED = "skipped: its condition does not hold"


def opening(workflow: Workflow) -> tuple[StepStatus, ...]:
    """The steps before anything was done."""
    return tuple(_pending(step, step.name) for step in workflow.steps)


def laid_out(run: Run, todo: Do) -> Run:
    """Every piece that is to be done now has its place."""
    known = {step.name for step in run.steps}
    new = [_pending(todo.step, piece.name, piece) for piece in todo.pieces]
    others = run.steps
    if todo.step.map is not None and todo.pieces:
        others = tuple(step for step in others if step.name != todo.step.name)
    return _inserted(run, others, [step for step in new if step.name not in known])


def passed(run: Run, step: WorkflowStep, name: str, at: float, why: str) -> Run:
    """A step at which there was nothing to do."""
    known = {known.name for known in run.steps}
    new = [] if name in known else [_pending(step, name)]
    run = _inserted(run, run.steps, new)
    over = {"state": WorkState.DONE, "item": why, "started": at, "ended": at}
    return _updated(run, name, over)


def asked(question: str, run: Run, name: str, at: float) -> Run:
    """A person is asked, unless that was answered already."""
    step = next(step for step in run.steps if step.name == name)
    state = WorkState.RUNNING if step.decision else WorkState.WAITING
    update = {"state": state, "item": question, "attempts": 1, "started": step.started or at}
    return _updated(run, name, update).model_copy(update={"state": WorkState.RUNNING})


def decided(run: Run, step: str, decision: Decision) -> Run:
    """A person answered. Raises NotFound, or Conflict where nobody is asked."""
    named = [each for each in run.steps if step in (each.name, step_of(each.name))]
    if not named:
        names = ", ".join(dict.fromkeys(step_of(each.name) for each in run.steps))
        raise NotFound(f"run {run.id} has no step {step!r}", hint=f"it has {names}")
    waiting = [each for each in named if each.state is WorkState.WAITING]
    if not waiting:
        raise Conflict(
            f"step {step} of run {run.id} does not wait for an answer: it is {named[-1].state}",
            hint=f"sutazai runs show {run.id}",
        )
    update = {"state": WorkState.RUNNING, "decision": decision}
    return _updated(run, waiting[-1].name, update)


def _pending(step: WorkflowStep, name: str, piece: Piece | None = None) -> StepStatus:
    item = piece.item[:ITEM_MAX] if piece else ""
    return StepStatus(name=name, agent=step.doer, state=WorkState.PENDING, item=item)


def _inserted(run: Run, steps: tuple[StepStatus, ...], new: Sequence[StepStatus]) -> Run:
    """``new`` come after the steps that were begun, where that of the same name was."""
    begun = [at for at, step in enumerate(steps, 1) if step.state is not WorkState.PENDING]
    at = max(begun, default=0)
    return run.model_copy(update={"steps": (*steps[:at], *new, *steps[at:])})


def _updated(run: Run, name: str, update: dict[str, object]) -> Run:
    steps = tuple(
        step.model_copy(update=update) if step.name == name else step for step in run.steps
    )
    return run.model_copy(update={"steps": steps})
