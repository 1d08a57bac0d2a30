"""``sutazai runs``: runs, present and past."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from sutazai.cli import fleets
from sutazai.cli.client import with_control
from sutazai.cli.console import console
from sutazai.cli.options import JsonOption, StateOption
from sutazai.cli.output import print_json
from sutazai.cli.run_view import print_outcome, run_view, runs_table
from sutazai.client import Control
from sutazai.fleet.work import Run

app = typer.Typer(no_args_is_help=True, help="Look at runs, present and past.")

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")]
StepArgument = Annotated[str, typer.Argument(metavar="STEP", help="Step that waits for it.")]
CommentOption = Annotated[str, typer.Option("--comment", help="What is said with it.")]


@app.command("list")
def list_runs(state: StateOption = None, as_json: JsonOption = False) -> None:
    """List all runs."""
    with_control(state, lambda control: _list(control, as_json=as_json))


@app.command()
def show(
    run: RunArgument,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one run: its steps, its notes, and where its artifacts are."""
    found = with_control(state, lambda control: control.get(f"/runs/{run}"))
    if as_json:
        print_json(found)
        return
    shown = Run.model_validate(found)
    screen = console()
    screen.print(run_view(shown, now=time.time()))
    print_outcome(shown, screen, fleets.running(state).artifacts / shown.id)


@app.command()
def approve(
    run: RunArgument, step: StepArgument, comment: CommentOption = "", state: StateOption = None
) -> None:
    """Approve what a step of a run asks, so that the run goes on."""
    _answer(run, step, {"approved": True, "comment": comment}, state)
    print(f"run {run}: step {step} approved")


@app.command()
def reject(
    run: RunArgument, step: StepArgument, comment: CommentOption = "", state: StateOption = None
) -> None:
    """Reject what a step of a run asks: the run ends, or makes another round."""
    _answer(run, step, {"approved": False, "comment": comment}, state)
    print(f"run {run}: step {step} rejected")


@app.command()
def cancel(run: RunArgument, state: StateOption = None, as_json: JsonOption = False) -> None:
    """Cancel a run, also in the midst of a step. What it wrote stays."""
    target = f"/runs/{quote(run, safe='')}/cancel"
    found = with_control(state, lambda control: control.post(target))
    if as_json:
        print_json(found)
    else:
        print(f"run {run}: cancelled")


def _answer(run: str, step: str, answer: dict[str, Any], state: Path | None) -> None:
    target = f"/runs/{quote(run, safe='')}/approvals/{quote(step, safe='')}"
    with_control(state, lambda control: control.post(target, answer))


async def _list(control: Control, *, as_json: bool) -> None:
    found = await control.get("/runs")
    if as_json:
        print_json(found)
    else:
        console().print(runs_table([Run.model_validate(run) for run in found]))
