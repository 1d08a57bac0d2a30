"""``sutazai checkpoint``: make checkpoints of a fleet, look at them, and go back to one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from sutazai.cli import fleets
from sutazai.cli.checkpoint_start import start_restored
from sutazai.cli.checkpoint_view import checkpoint_line, checkpoints_table, restored_lines
from sutazai.cli.client import with_control
from sutazai.cli.console import console
from sutazai.cli.options import JsonOption, StateOption
from sutazai.cli.output import FAILED, print_error, print_json
from sutazai.cli.sweep import mark_of, marked
from sutazai.client import Control
from sutazai.control.checkpoints.restoring import restore as restore_state
from sutazai.control.checkpoints.shelf import FOLDER, SUFFIX, Shelf, shelf_of
from sutazai.control.checkpoints.telling import listed, verified
from sutazai.control.settings import read_settings
from sutazai.fleet.checkpoints import CheckpointAsked, CheckpointInfo
from sutazai.fleet.errors import BadInput, Refused, SutazaiError
from sutazai.fleet.places import Places

app = typer.Typer(no_args_is_help=True, help="Everything of a fleet in one file, and back.")

MADE_WITHIN = 3600.0
"""Seconds that control has to make and verify one."""

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Its name, or its file.")]
FromOption = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="PLACE", help="Folder or URL with checkpoints, if not the fleet's."
    ),
]


@app.command()
def create(
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="PLACE", help="Folder or URL, if not the fleet's."),
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="What it is made for.")] = "asked for",
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a checkpoint while the fleet runs, and verify it."""
    asked = CheckpointAsked(reason=reason, to=_absolute(to))

    async def make(control: Control) -> CheckpointInfo:
        value = asked.model_dump(mode="json")
        return CheckpointInfo.model_validate(
            await control.post("/checkpoints", value, within=MADE_WITHIN)
        )

    made = with_control(state, make)
    if as_json:
        print_json(made.model_dump(mode="json"))
    else:
        print(checkpoint_line(made))


@app.command("list")
def list_checkpoints(
    place: FromOption = None, state: StateOption = None, as_json: JsonOption = False
) -> None:
    """List checkpoints, the newest first."""
    found = listed(_shelf(place, fleets.chosen(state)))
    if as_json:
        print_json([one.model_dump(mode="json") for one in found])
    else:
        console().print(checkpoints_table(found))


@app.command()
def verify(
    name: NameArgument,
    place: FromOption = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Restore a checkpoint into a scratch folder and look into it. Exit code 1 if it is bad."""
    shelf, name = _meant(name, place, fleets.chosen(state))
    found = verified(shelf, name)
    if as_json:
        print_json(found.model_dump(mode="json"))
    elif found.trouble:
        print_error(found.trouble)
    else:
        print(f"{name} is good: {found.members} files of {found.fleet}")
    if found.trouble:
        raise typer.Exit(FAILED)


@app.command()
def restore(
    name: NameArgument,
    into: Annotated[
        Path | None,
        typer.Option("--into", metavar="DIR", help="State folder, if not the fleet's."),
    ] = None,
    start: Annotated[
        bool, typer.Option("--start", help="Start the fleet then, wait for it, and test it.")
    ] = False,
    place: FromOption = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a fleet's state that of a checkpoint. The fleet must be down; what was there is kept."""
    began = time.monotonic()
    meant = fleets.chosen(state)
    target = Places.of(into) if into else meant
    _refuse_running(target)
    _refuse_others(target)
    shelf, name = _meant(name, place, meant)
    done = restore_state(shelf, name, target, at=time.time())
    seconds = time.monotonic() - began
    if not as_json:
        for line in restored_lines(done, target, seconds, starts=start):
            print(line)
    outcome = start_restored(target, began, quiet=as_json) if start else None
    if as_json:
        print_json(
            {
                "state": str(target.state),
                "aside": str(done.aside) if done.aside else None,
                "revision": done.manifest.revision,
                "restore_seconds": round(seconds, 3),
                "start": outcome,
            }
        )


def _meant(name: str, place: str | None, places: Places) -> tuple[Shelf, str]:
    """The shelf and the name of what was typed, which may be a file."""
    if "/" in name or name.endswith(SUFFIX):
        file = Path(name).absolute()
        return shelf_of(str(file.parent), places, Path.cwd()), file.name.removesuffix(SUFFIX)
    return _shelf(place, places), name


def _shelf(place: str | None, places: Places) -> Shelf:
    """Where it is said, else where the fleet on that state folder keeps them."""
    if place is not None:
        return shelf_of(place, places, Path.cwd())
    try:
        settings = read_settings(places)
    except SutazaiError:  # no fleet was ever started there, or its state is what is lost
        return shelf_of(str(places.state / FOLDER), places, Path.cwd())
    return shelf_of(settings.fleet.checkpoints.to, places, settings.base)


def _absolute(place: str | None) -> str | None:
    """Control works in another folder than who asks it."""
    return place if place is None or "://" in place else str(Path(place).expanduser().absolute())


def _refuse_running(places: Places) -> None:
    if fleets.is_running(places) or marked(mark_of(places)):
        raise Refused(
            f"a fleet runs on {places.state}, and its state cannot be replaced meanwhile",
            hint=f"sutazai down --state {places.state}",
        )


def _refuse_others(places: Places) -> None:
    """A folder full of other things is a mistake of typing."""
    state = places.state
    if not state.exists() or places.config.exists():
        return
    if not state.is_dir() or {path.name for path in state.iterdir()} - {FOLDER}:
        raise BadInput(
            f"{state} holds other things than a fleet's state",
            hint="choose an empty or new folder: --into DIR",
        )
