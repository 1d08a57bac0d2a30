"""``sutazai schedules``: what is begun by the clock, and holding it back."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from sutazai.cli.client import with_control
from sutazai.cli.console import console
from sutazai.cli.options import JsonOption, StateOption
from sutazai.cli.output import print_json
from sutazai.cli.schedules_view import schedule_view, schedules_table
from sutazai.fleet.scheduling import ScheduleStatus

app = typer.Typer(no_args_is_help=True, help="Work that is begun by the clock.")

NameArgument = Annotated[str, typer.Argument(metavar="SCHEDULE", help="Name of the schedule.")]


@app.command("list")
def list_schedules(state: StateOption = None, as_json: JsonOption = False) -> None:
    """List schedules with their next times."""
    found = with_control(state, lambda control: control.get("/schedules"))
    if as_json:
        print_json(found)
    else:
        console().print(schedules_table([ScheduleStatus.model_validate(each) for each in found]))


@app.command()
def show(name: NameArgument, state: StateOption = None, as_json: JsonOption = False) -> None:
    """Show one schedule: its next times, what it began, and what came of it last."""
    found = with_control(state, lambda control: control.get(_path(name)))
    if as_json:
        print_json(found)
        return
    for line in schedule_view(ScheduleStatus.model_validate(found)):
        console().print(line)


@app.command()
def pause(name: NameArgument, state: StateOption = None) -> None:
    """Hold a schedule back until it is resumed; what runs goes on."""
    with_control(state, lambda control: control.post(_path(name, "/pause")))
    print(f"paused: {name}")


@app.command()
def resume(name: NameArgument, state: StateOption = None) -> None:
    """Let a schedule go on from now."""
    with_control(state, lambda control: control.post(_path(name, "/resume")))
    print(f"resumed: {name}")


@app.command()
def run(name: NameArgument, state: StateOption = None) -> None:
    """Begin its work at once."""
    begun = with_control(state, lambda control: control.post(_path(name, "/run")))
    print(f"began: {begun['work']}")


def _path(name: str, verb: str = "") -> str:
    return f"/schedules/{quote(name, safe='')}{verb}"
