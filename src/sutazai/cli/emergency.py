"""``sutazai emergency``: what helps now, each command with a dry run."""

from __future__ import annotations

from typing import Annotated

import typer

from sutazai.cli.client import with_control
from sutazai.cli.console import console
from sutazai.cli.emergency_restart import RESTART_WITHIN, restart_fleet
from sutazai.cli.emergency_view import clean_view, cpu_view, memory_view
from sutazai.cli.options import JsonOption, StateOption
from sutazai.cli.output import print_json
from sutazai.client import Control
from sutazai.fleet.emergency import CleanUp, MemoryRelief, Throttling
from sutazai.fleet.errors import BadInput
from sutazai.fleet.units import parse_duration

ENDING_WITHIN = 90.0
"""Seconds that control has to end agents and tell of it."""

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]

app = typer.Typer(no_args_is_help=True, help="Free memory, throttle agents, clean up, restart.")


@app.command()
def memory(
    dry_run: DryRun = False,
    until: Annotated[
        float | None,
        typer.Option(
            "--until", metavar="PERCENT", min=0, max=100, help="Stop once so much is in use."
        ),
    ] = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Free memory now: end idle agents, lowest priority first, and forget kept answers.

    Nothing that works is ended. A call wakes each of them again; by itself none starts within the
    next five minutes.
    """

    async def free(control: Control) -> MemoryRelief:
        asked = {"dry_run": dry_run, "until": until}
        answer = await control.post("/emergency/memory", asked, within=ENDING_WITHIN)
        return MemoryRelief.model_validate(answer)

    done = with_control(state, free)
    if as_json:
        print_json(done.model_dump(mode="json"))
    else:
        console().print(memory_view(done))


@app.command()
def cpu(
    cores: Annotated[
        float, typer.Option("--cores", min=0.01, help="Cores that each agent may take.")
    ] = 0.1,
    release: Annotated[bool, typer.Option("--release", help="Take it back.")] = False,
    dry_run: DryRun = False,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold every agent to a tenth of a core, those that start later too, until --release."""

    async def throttle(control: Control) -> Throttling:
        asked = {"dry_run": dry_run, "cores": None if release else cores}
        return Throttling.model_validate(await control.post("/emergency/cpu", asked))

    done = with_control(state, throttle)
    if as_json:
        print_json(done.model_dump(mode="json"))
    else:
        print(cpu_view(done))


@app.command()
def clean(dry_run: DryRun = False, state: StateOption = None, as_json: JsonOption = False) -> None:
    """Remove what can be done without: older logs, and downloads that were cut short."""

    async def clean_up(control: Control) -> CleanUp:
        answer = await control.post("/emergency/clean", {"dry_run": dry_run})
        return CleanUp.model_validate(answer)

    done = with_control(state, clean_up)
    if as_json:
        print_json(done.model_dump(mode="json"))
    else:
        console().print(clean_view(done))


@app.command()
def restart(
    dry_run: DryRun = False,
    within: Annotated[
        str, typer.Option("--within", metavar="DURATION", help="Time for all of it.")
    ] = f"{RESTART_WITHIN:.0f}s",
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """End everything in order, start it in waves, wait until it is well, and test it.

    The ports stay open meanwhile: a call waits or fails, and is not refused. Exit code 1 where
    something that should be well is not, or a test fails.
    """
    raise typer.Exit(
        restart_fleet(state, dry_run=dry_run, within=_seconds(within), as_json=as_json)
    )


def _seconds(within: str) -> float:
    try:
        return parse_duration(within)
    except ValueError as error:
        raise BadInput(f"--within: {error}") from error
