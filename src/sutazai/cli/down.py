"""``sutazai down``: end a fleet and leave nothing behind."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sutazai.cli import fleets
from sutazai.cli.options import FileOption, StateOption
from sutazai.cli.stop_view import stop_shown
from sutazai.fleet.errors import BadInput
from sutazai.fleet.places import Places

app = typer.Typer()


@app.command()
def down(
    file: FileOption = None,
    state: StateOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Every fleet of this user.")] = False,
) -> None:
    """Stop a fleet and leave no process behind.

    Works too where the keeper or another part of the fleet was killed. The state folder stays, so
    that `sutazai up` goes on where it ended.
    """
    for places in _meant(file, state, everything=everything):
        if not stop_shown(places):
            print(f"{places.state.name}: nothing was running ({places.state})")


def _meant(file: Path | None, state: Path | None, *, everything: bool) -> list[Places]:
    if everything:
        return fleets.known() or [fleets.default_places()]
    if file is not None and state is None:
        return [_of_file(file)]
    return [fleets.chosen(state)]


def _of_file(file: Path) -> Places:
    try:
        found = fleets.named_in(file)
    except FileNotFoundError as error:
        raise BadInput(f"there is no fleet file {file}") from error
    if found is None:
        raise BadInput(f"{file} does not name its fleet", hint="say which: --state DIR")
    return found
