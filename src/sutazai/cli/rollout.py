"""``sutazai rollout``: see how agents move to a new version, and have a say in it."""

from __future__ import annotations

import getpass
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.live import Live

from sutazai.cli.client import with_control
from sutazai.cli.console import console
from sutazai.cli.options import JsonOption, StateOption
from sutazai.cli.output import print_json
from sutazai.cli.rollout_view import rollout_view, rollouts_table
from sutazai.fleet.errors import Unavailable
from sutazai.fleet.rollouts import RolloutView

LOOK_EVERY = 1.0

app = typer.Typer(no_args_is_help=True, help="How agents move to a new version.")


@app.command()
def status(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow it to its end.")] = False,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the rollout that goes on, else the last one."""
    if watch:
        _watch(state)
    elif as_json:
        print_json(_current(state).model_dump(mode="json"))
    else:
        console().print(rollout_view(_current(state)))


@app.command()
def history(state: StateOption = None, as_json: JsonOption = False) -> None:
    """List rollouts, newest first."""
    found = with_control(state, lambda control: control.get("/rollouts"))
    if as_json:
        print_json(found)
    else:
        console().print(rollouts_table([RolloutView.model_validate(each) for each in found]))


@app.command()
def pause(state: StateOption = None) -> None:
    """Hold it where it is; calls go on as they are shared out now."""
    _tell("pause", state)


@app.command()
def resume(state: StateOption = None) -> None:
    """Let a paused or inconclusive one go on."""
    _tell("resume", state)


@app.command()
def promote(state: StateOption = None) -> None:
    """Take the present step as passed, whatever the evidence says."""
    _tell("promote", state)


@app.command()
def abort(state: StateOption = None) -> None:
    """Go back to the old version, at once."""
    _tell("abort", state)


def _current(state: Path | None) -> RolloutView:
    return RolloutView.model_validate(
        with_control(state, lambda control: control.get("/rollouts/current"))
    )


def _tell(command: str, state: Path | None) -> None:
    path, said = f"/rollouts/current/{command}", {"by": getpass.getuser()}
    view = RolloutView.model_validate(with_control(state, lambda control: control.post(path, said)))
    console().print(rollout_view(view))


def _watch(state: Path | None) -> None:
    """Until it has ended; control may be away for a moment."""
    view = _current(state)
    with Live(rollout_view(view), console=console(), auto_refresh=False) as live:
        while view.state.is_open:
            time.sleep(LOOK_EVERY)
            try:
                view = _current(state)
            except Unavailable:
                continue
            live.update(rollout_view(view), refresh=True)
