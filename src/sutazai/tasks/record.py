"""How a run changes: pure functions from a run to the next. Each may be applied twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sutazai.fleet.work import Artifact, Run, StepStatus, WorkState


def started(run: Run, step: str, at: float) -> Run:
    """An attempt of a step began."""
    known = _step(run, step)
    first = known.started if known.started is not None else at
    changed = known.model_copy(
        update={"state": WorkState.RUNNING, "started": first, "attempts": known.attempts + 1}
    )
    return _with(run, changed).model_copy(update={"state": WorkState.RUNNING})


def finished(run: Run, step: str, at: float, artifact: Artifact | None) -> Run:
    """A step is done, and wrote ``artifact`` where there is one."""
    update = {"state": WorkState.DONE, "ended": at, "error": None}
    run = _with(run, _step(run, step).model_copy(update=update))
    if artifact is None:
        return run
    others = tuple(known for known in run.artifacts if known.name != artifact.name)
    return run.model_copy(update={"artifacts": (*others, artifact)})


def stumbled(run: Run, step: str, error: dict[str, Any]) -> Run:
    """An attempt of a step failed and another will be made."""
    return _with(run, _step(run, step).model_copy(update={"error": error}))


def failed(run: Run, step: str, at: float, error: dict[str, Any]) -> Run:
    """A step failed for good."""
    update = {"state": WorkState.FAILED, "ended": at, "error": error}
    return _with(run, _step(run, step).model_copy(update=update))


def planned(run: Run, steps: Sequence[StepStatus]) -> Run:
    """The executor's steps are known: they come before the last step, the review."""
    known = {step.name for step in run.steps}
    new = tuple(step for step in steps if step.name not in known)
    return run.model_copy(update={"steps": (*run.steps[:-1], *new, run.steps[-1])})


def noted(run: Run, *notes: str) -> Run:
    """Something that a reader should know."""
    new = tuple(note for note in notes if note not in run.notes)
    return run.model_copy(update={"notes": (*run.notes, *new)})


def ended(run: Run, state: WorkState, at: float, error: dict[str, Any] | None = None) -> Run:
    """The run is over; steps that did not end never will."""
    steps = tuple(_closed(step, at) for step in run.steps)
    return run.model_copy(update={"state": state, "ended": at, "error": error, "steps": steps})


def _closed(step: StepStatus, at: float) -> StepStatus:
    if step.state not in (WorkState.PENDING, WorkState.RUNNING):
        return step
    return step.model_copy(update={"state": WorkState.CANCELLED, "ended": at})


def _step(run: Run, name: str) -> StepStatus:
    return next(step for step in run.steps if step.name == name)


def _with(run: Run, step: StepStatus) -> Run:
    steps = tuple(step if known.name == step.name else known for known in run.steps)
    return run.model_copy(update={"steps": steps})
