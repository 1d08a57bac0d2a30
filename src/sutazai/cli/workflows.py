"""``sutazai workflows``: what a run can be started of."""

from __future__ import annotations

from typing import Annotated

import typer
from pydantic import TypeAdapter

from sutazai.cli.client import with_control
from sutazai.cli.console import console
from sutazai.cli.options import JsonOption, StateOption
from sutazai.cli.output import print_json
from sutazai.cli.workflows_view import workflow_view, workflows_table
from sutazai.client import Control
from sutazai.fleet.workflows import Workflow

app = typer.Typer(no_args_is_help=True, help="Look at the workflows of the fleet file.")

WORKFLOWS = TypeAdapter(dict[str, Workflow])


@app.command("list")
def list_workflows(state: StateOption = None, as_json: JsonOption = False) -> None:
    """List the workflows that `sutazai run --workflow` takes."""
    with_control(state, lambda control: _list(control, as_json=as_json))


@app.command()
def show(
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="Its name.")],
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one workflow: its steps, and under which conditions they are done."""
    found = with_control(state, lambda control: control.get(f"/workflows/{workflow}"))
    if as_json:
        print_json(found)
    else:
        console().print(workflow_view(workflow, Workflow.model_validate(found)))


async def _list(control: Control, *, as_json: bool) -> None:
    found = await control.get("/workflows")
    if as_json:
        print_json(found)
    else:
        console().print(workflows_table(WORKFLOWS.validate_python(found)))
