"""How workflows look before they run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sutazai.cli.console import plain, table
from sutazai.fleet.units import format_duration
from sutazai.fleet.workflows import STANDARD, Workflow, WorkflowStep

BUILT_IN = "plan, execute and review a goal or a backlog (built in)"


def workflows_table(workflows: Mapping[str, Workflow]) -> Table:
    """Workflows, one a row, with the one that is built in."""
    shown = table("workflow", "steps", "description")
    shown.add_row(STANDARD, "", BUILT_IN)
    for name, workflow in workflows.items():
        shown.add_row(name, str(len(workflow.steps)), plain(workflow.description))
    return shown


def workflow_view(name: str, workflow: Workflow) -> RenderableType:
    """One workflow with its steps."""
    shown = table("step", "who", "how")
    for step in workflow.steps:
        shown.add_row(step.name, step.doer, plain("; ".join(_ways(step))))
    return Group(Text.assemble((name, "bold"), " ", plain(workflow.description)), shown)


def _ways(step: WorkflowStep) -> Iterator[str]:
    if step.when is not None:
        yield f"when {step.when}"
    if step.map is not None:
        yield f"each of {step.map}, {step.parallel} at once"
    if step.repeat is not None:
        begin = f" from {step.repeat.from_}" if step.repeat.from_ else ""
        yield f"again{begin} until {step.repeat.until}, {step.repeat.max} rounds at most"
    if step.retries:
        yield f"{step.retries} retries"
    if step.timeout is not None:
        yield f"within {format_duration(step.timeout)}"
    if step.artifact is not None:
        yield f"writes {step.artifact}"
