"""Workflows, as a fleet file declares them: steps one after another, with loops and lists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from sutazai.fleet.conditions import parse_condition
from sutazai.fleet.declared import Interval, Name, Spec, wrong
from sutazai.fleet.errors import BadInput
from sutazai.fleet.message_schema import compile_schema
from sutazai.fleet.templates import paths_in, whole_path

STANDARD = "standard"
"""The workflow that is built in: planner → executor → reviewer."""
TIMEOUT = 300.0
STEPS_MAX = 100
ROUNDS_MAX = 100


def _can_be_filled(template: Any) -> Any:
    list(paths_in(template))
    return template


def _can_be_asked(condition: str) -> str:
    parse_condition(condition)
    return condition


def _is_one_path(template: str) -> str:
    if whole_path(template) is None:
        raise ValueError("expected the path of a list, as ${steps.plan.output.items}")
    return template


def _stays_in_the_folder(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.name:
        raise ValueError("expected the name of a file below the run's folder")
    return name


Template = Annotated[Any, AfterValidator(_can_be_filled)]
TextTemplate = Annotated[str, AfterValidator(_can_be_filled)]
ConditionText = Annotated[str, AfterValidator(_can_be_asked)]


class Repeat(Spec):
    """A loop that ends with this step: again, until a condition holds."""

    from_: Name | None = Field(
        None, alias="from", description="Step that each round begins with; without it, this one."
    )
    until: ConditionText = Field(description="Condition under which no further round is made.")
    max: int = Field(
        3, ge=1, le=ROUNDS_MAX, description="Most rounds; when none is left, the run fails."
    )


class WorkflowStep(Spec):
    """One step: work for an agent, or a question for a person."""

    name: Name = Field(description="What other steps know it by.")
    agent: Name | None = Field(None, description="Who does it.")
    capability: Name | None = Field(None, description="Or: any agent with this capability.")
    approval: TextTemplate | None = Field(
        None,
        description="Or: a question to a person, who approves or rejects. Its output has "
        "`approved` and `comment`. A rejection ends the run, unless the step has `repeat`.",
    )
    input: Template = Field(
        None, description="What the agent is given: any value, with `${…}` in its texts."
    )
    schema_: dict[str, Any] | None = Field(
        None, alias="schema", description="JSON Schema of the output; else the attempt has failed."
    )
    when: ConditionText | None = Field(
        None, description="Condition without which the step is skipped; its output is null then."
    )
    map: Annotated[TextTemplate, AfterValidator(_is_one_path)] | None = Field(
        None, description="A list, of which each `${item}` is worked on; the output is a list."
    )
    parallel: int = Field(2, ge=1, le=100, description="Most items that are worked on at once.")
    repeat: Repeat | None = Field(None, description="A loop that ends with this step.")
    timeout: Interval | None = Field(
        None, description="Time for each attempt, 5m; for a person, without it any time."
    )
    retries: int = Field(0, ge=0, le=20, description="How often a failed attempt is made again.")
    artifact: Annotated[TextTemplate, AfterValidator(_stays_in_the_folder)] | None = Field(
        None, description="File of the run that the output is written to."
    )

    @field_validator("schema_")
    @classmethod
    def _can_be_checked(cls, schema: dict[str, Any] | None) -> dict[str, Any] | None:
        if schema is not None:
            try:
                compile_schema(schema)
            except BadInput as error:
                raise ValueError(error.message) from error
        return schema

    @model_validator(mode="after")
    def _is_for_one(self) -> Self:
        if sum(each is not None for each in (self.agent, self.capability, self.approval)) != 1:
            raise wrong("name", "a step has exactly one of `agent`, `capability` and `approval`")
        needless = {"input": self.input, "schema": self.schema_, "map": self.map}
        needless |= {"retries": self.retries, "artifact": self.artifact}
        given = [key for key, value in needless.items() if value]
        if self.approval is not None and given:
            raise wrong(given[0], f"`{given[0]}` has no use where a person is asked")
        if self.approval is None and self.input is None:
            raise wrong("name", f"step `{self.name}` has no `input` for its agent")
        return self

    @property
    def doer(self) -> str:
        """Who does it, in a word or two."""
        if self.agent is not None:
            return self.agent
        return f"any with {self.capability}" if self.capability else "a person"


class Workflow(Spec):
    """Steps that are done one after another, each recorded, so that a crash loses none."""

    description: str = Field("", description="One line for people.")
    steps: tuple[WorkflowStep, ...] = Field(
        min_length=1, max_length=STEPS_MAX, description="What is done, in this order."
    )

    def position(self, name: str) -> int | None:
        """Where a step stands, from 0; None where there is none of that name."""
        return next((at for at, step in enumerate(self.steps) if step.name == name), None)

    def loops(self) -> Iterator[tuple[int, int]]:
        """The first and the last step of every loop whose steps are known."""
        for end, step in enumerate(self.steps):
            if step.repeat is not None:
                begin = end if step.repeat.from_ is None else self.position(step.repeat.from_)
                if begin is not None and begin <= end:
                    yield begin, end

    def loop_around(self, at: int) -> tuple[int, int] | None:
        """The loop that a step is in."""
        return next((loop for loop in self.loops() if loop[0] <= at <= loop[1]), None)
