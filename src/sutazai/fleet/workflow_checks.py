"""What spans several parts of a workflow: names, references to other steps, loops. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sutazai.fleet.conditions import parse_condition, paths_of
from sutazai.fleet.explain import did_you_mean
from sutazai.fleet.positions import Path, Positions
from sutazai.fleet.problems import Problem
from sutazai.fleet.spec import Fleet
from sutazai.fleet.templates import Path as DataPath
from sutazai.fleet.templates import paths_in
from sutazai.fleet.workflows import STANDARD, Workflow, WorkflowStep

Found = Iterator[Problem]

_ROOTS = ("input", "steps", "item", "number", "round", "run")
_OF_ITEMS = ("item", "number")
_EACH_ITEM = ("input", "artifact")
"""Keys that are looked at once an item; the others once a step."""
_DECISION = {"type": "object", "properties": {"approved": {}, "comment": {}}}


def check_workflows(fleet: Fleet, positions: Positions) -> Found:
    """Everything that is wrong with the workflows of ``fleet``."""
    for name, workflow in fleet.workflows.items():
        path = ("workflows", name)
        if name == STANDARD:
            yield positions.problem(
                path,
                f"`{STANDARD}` is the name of the workflow that is built in",
                hint="choose another name",
                at_key=True,
            )
        yield from _names(workflow, path, positions)
        yield from _loops(workflow, path, positions)
        for at, step in enumerate(workflow.steps):
            place = _Place((*path, "steps", at), workflow, at, positions)
            yield from _doer(fleet, step, place)
            yield from _references(step, place)
            yield from _file(step, place)


@dataclass(frozen=True)
class _Place:
    """One step of a workflow, and where it stands."""

    path: Path
    workflow: Workflow
    at: int
    positions: Positions

    def problem(self, key: str | tuple[str, ...], message: str, hint: str | None) -> Problem:
        keys = (key,) if isinstance(key, str) else key
        return self.positions.problem((*self.path, *keys), message, hint=hint)


def _names(workflow: Workflow, path: Path, positions: Positions) -> Found:
    for at, step in enumerate(workflow.steps):
        if workflow.position(step.name) != at:
            yield positions.problem(
                (*path, "steps", at, "name"),
                f"there are two steps `{step.name}`",
                hint="give one of them another name",
            )


def _loops(workflow: Workflow, path: Path, positions: Positions) -> Found:
    before: tuple[int, int] | None = None
    for at, step in enumerate(workflow.steps):
        if step.repeat is None:
            continue
        place = _Place((*path, "steps", at), workflow, at, positions)
        begin = at if step.repeat.from_ is None else workflow.position(step.repeat.from_)
        if begin is None or begin > at:
            name = str(step.repeat.from_)
            what = "is none of this workflow" if begin is None else "comes later"
            hint = "a loop begins with this step, or with one before it"
            near = did_you_mean(name, [each.name for each in workflow.steps[: at + 1]])
            yield place.problem(("repeat", "from"), f"step `{name}` {what}", near or hint)
            continue
        if before is not None and begin <= before[1]:
            other = workflow.steps[before[1]].name
            yield place.problem(
                "repeat", f"this loop overlaps that of `{other}`", "loops follow each other"
            )
        before = (begin, at)


def _doer(fleet: Fleet, step: WorkflowStep, place: _Place) -> Found:
    if step.agent is not None and step.agent not in fleet.agents:
        hint = did_you_mean(step.agent, fleet.agents) or "declare it under `agents`"
        yield place.problem("agent", f"there is no agent `{step.agent}`", hint)
    able = {each for agent in fleet.agents.values() for each in agent.capabilities}
    if step.capability is not None and step.capability not in able:
        hint = did_you_mean(step.capability, able) or "add it to `capabilities` of an agent"
        yield place.problem("capability", f"no agent has capability `{step.capability}`", hint)


def _file(step: WorkflowStep, place: _Place) -> Found:
    if step.map is None or step.artifact is None:
        return
    if not any(path[0] in _OF_ITEMS for path in paths_in(step.artifact)):
        yield place.problem(
            "artifact",
            "all items would be written to one file",
            "put `${number}` into its name",
        )


def _references(step: WorkflowStep, place: _Place) -> Found:
    for key, path in _paths(step):
        for message, hint in _wrong_with(path, key, step, place):
            yield place.problem(key, f"`${{{'.'.join(path)}}}`: {message}", hint)


def _paths(step: WorkflowStep) -> Iterator[tuple[tuple[str, ...], DataPath]]:
    for key in ("input", "map", "artifact", "approval"):
        for path in paths_in(getattr(step, key)):
            yield (key,), path
    conditions = {("when",): step.when, ("repeat", "until"): step.repeat and step.repeat.until}
    for keys, text in conditions.items():
        for path in paths_of(parse_condition(text)) if text else ():
            yield keys, path


_Wrong = Iterator[tuple[str, str | None]]


def _wrong_with(path: DataPath, key: tuple[str, ...], step: WorkflowStep, place: _Place) -> _Wrong:
    root = path[0]
    if root not in _ROOTS:
        yield f"there is no `{root}`", did_you_mean(root, _ROOTS) or f"one of {', '.join(_ROOTS)}"
    elif root in _OF_ITEMS and (step.map is None or key[0] not in _EACH_ITEM):
        yield f"there is no `{root}` here", "it is for `input` and `artifact` of a step with `map`"
    elif root in ("number", "round", "run") and len(path) > 1:
        yield f"there is nothing in `{root}`", f"write `${{{root}}}`"
    elif root == "steps":
        yield from _wrong_with_step(path, key, place)


def _wrong_with_step(path: DataPath, key: tuple[str, ...], place: _Place) -> _Wrong:
    names = [step.name for step in place.workflow.steps]
    if len(path) < 3 or path[2] != "output":
        yield "expected steps.NAME.output", None if len(path) < 2 else f"steps.{path[1]}.output"
        return
    at = place.workflow.position(path[1])
    if at is None:
        yield f"there is no step `{path[1]}`", did_you_mean(path[1], names) or ", ".join(names)
        return
    if not _is_known(at, key, place):
        what = "is this step itself" if at == place.at else "comes later"
        yield f"step `{path[1]}` {what}", "a step knows those before it, and those of its loop"
        return
    yield from _wrong_with_output(path, place.workflow.steps[at])


def _is_known(at: int, key: tuple[str, ...], place: _Place) -> bool:
    """Whether the step at ``at`` was done by then, if only in the round before."""
    if at < place.at or (at == place.at and key == ("repeat", "until")):
        return True
    loop = place.workflow.loop_around(place.at)
    return loop is not None and loop[0] <= at <= loop[1]


def _wrong_with_output(path: DataPath, step: WorkflowStep) -> _Wrong:
    """Keys that the step's schema does not have."""
    schema: Mapping[str, Any] | None = _DECISION if step.approval is not None else step.schema_
    keys = list(path[3:])
    if step.map is not None and keys and not keys.pop(0).isdigit():
        yield f"the output of `{step.name}` is a list", "a number, from 0, comes first"
        return
    for key in keys:
        properties = schema.get("properties") if isinstance(schema, Mapping) else None
        if not properties:
            return
        if key not in properties:
            hint = did_you_mean(key, properties) or f"it has {', '.join(properties)}"
            yield f"the schema of `{step.name}` has no `{key}`", hint
            return
        schema = properties[key]
