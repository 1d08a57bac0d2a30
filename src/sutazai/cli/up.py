"""``sutazai up``: start a fleet, wait until it is ready, say what to do next."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from sutazai.cli import fleets
from sutazai.cli.attend import attend
from sutazai.cli.config import Config, Listening, read_config
from sutazai.cli.console import console
from sutazai.cli.fleet_file import Accepted, accept, meant
from sutazai.cli.folder import same_fleet
from sutazai.cli.model_check import check_model
from sutazai.cli.options import FileOption, OverlayOption, StateOption
from sutazai.cli.output import print_problem, print_warning
from sutazai.cli.starting import start_fleet
from sutazai.cli.stop_view import stop_shown
from sutazai.cli.up_view import print_places
from sutazai.fleet.errors import Conflict
from sutazai.fleet.places import Places

app = typer.Typer()


@app.command()
def up(
    file: FileOption = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Leave the fleet running and return.")
    ] = False,
    overlay: OverlayOption = None,
    state: StateOption = None,
    port_base: Annotated[
        int | None,
        typer.Option(
            "--port-base", metavar="N", help="Move all ports, so that fleets run side by side."
        ),
    ] = None,
) -> None:
    """Start a fleet and wait until it is ready.

    The fleet is that of --file, else of ./fleet.yaml, else the built-in one with 69 agents.
    Without --detach it runs until Ctrl-C. Exit code 1 when an agent that should run does not come
    up; the others run on.
    """
    accepted = accept(meant(file), overlay=overlay, port_base=port_base)
    for warning in accepted.warnings if accepted.file else ():
        print_problem(warning.as_dict())
    if accepted.overlay:
        print(f"with {accepted.overlay}")
    places = Places.of(state) if state else fleets.places_of_name(accepted.fleet.name)
    if fleets.is_running(places):
        _say_that_it_runs(places, accepted)
        return
    check_model(accepted.fleet)
    if stop_shown(places):
        print_warning("the keeper of this fleet had been killed; what it left was stopped first")
    _take_signals_as_interrupts()
    keeper = start_fleet(places, accepted.fleet, _config(accepted), os.environ)
    raise typer.Exit(attend(places, accepted.fleet, keeper, detach=detach))


def _say_that_it_runs(places: Places, accepted: Accepted) -> None:
    config = read_config(places)
    if not same_fleet(places, accepted.fleet):
        raise Conflict(
            f"{config.fleet} runs already on {places.state}, and not as {accepted.source} has it",
            hint="to move it to that: sutazai apply\n"
            "to start it anew: sutazai down, then sutazai up\n"
            "to run another beside it: another name, or --state DIR, with --port-base N",
        )
    print(f"{config.fleet} runs already")
    print_places(console(), config, places)


def _config(accepted: Accepted) -> Config:
    return Config(
        fleet=accepted.fleet.name,
        fleet_file=_absolute(accepted.file),
        started=time.time(),
        ports=Listening.of(accepted.fleet.ports),
    )


def _absolute(file: Path | None) -> str | None:
    return str(file.absolute()) if file else None


def _take_signals_as_interrupts() -> None:
    """What ends this process ends the fleet in order, too; under nohup a hangup does not."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)
