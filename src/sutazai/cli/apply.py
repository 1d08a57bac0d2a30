"""``sutazai apply``: makes what files declare the next revision of a running fleet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sutazai.cli.apply_files import FleetFiles
from sutazai.cli.apply_git import FETCH_EVERY, FleetInGit
from sutazai.cli.apply_view import Telling
from sutazai.cli.apply_watch import LOOK_EVERY, Watcher
from sutazai.cli.fleet_file import meant
from sutazai.cli.offer import Asked
from sutazai.cli.options import (
    DryRunOption,
    JsonOption,
    NowOption,
    OverlayOption,
    ReasonOption,
    StateOption,
)
from sutazai.cli.output import print_warning
from sutazai.cli.revisions_view import print_plan
from sutazai.fleet.errors import BadInput, SutazaiError
from sutazai.fleet.git_source import is_git, parse_git
from sutazai.fleet.units import format_duration, parse_duration

app = typer.Typer()


@app.command()
def apply(
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE",
            help="Fleet file, folder of parts, or git+URL@BRANCH#PATH; else ./fleet.yaml.",
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Apply every change of it, until Ctrl-C.")
    ] = False,
    every: Annotated[
        str,
        typer.Option("--every", metavar="DURATION", help="How often --watch fetches from Git."),
    ] = format_duration(FETCH_EVERY),
    overlay: OverlayOption = None,
    dry_run: DryRunOption = False,
    now: NowOption = False,
    reason: ReasonOption = "",
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a fleet file the next revision of the running fleet.

    Agents whose code, prompt, model, tools, limits or environment changed are moved to their new
    version in a rollout, which goes back by itself where that is worse. Everything else changes
    at once, and who did not change is not touched.

    With --watch a change is applied once it has rested for a second; what cannot be used is told,
    and the fleet stays as it is; what comes in the midst of a rollout waits for its end.
    """
    asked = Asked(now=now, dry_run=dry_run, reason=reason)
    telling = Telling(as_json=as_json)
    source: FleetFiles | FleetInGit
    if file is not None and is_git(file):
        away = telling.away if watch else _warn
        source = FleetInGit(parse_git(file), overlay, state, away=away, every=_seconds(every))
    else:
        source = FleetFiles(meant(Path(file) if file else None), overlay, state)
    if watch:
        _watch(source, asked, telling)
    else:
        print_plan(source.apply(asked), as_json=as_json)


def _watch(source: FleetFiles | FleetInGit, asked: Asked, telling: Telling) -> None:
    if asked.dry_run:
        raise BadInput("--watch applies what changes; --dry-run applies nothing")
    try:
        source.check()
        Watcher(source, asked, telling).run()
    except KeyboardInterrupt:
        telling.ended()


def _warn(error: SutazaiError) -> None:
    print_warning(f"{error.message}; the commit that was fetched last is taken", error.hint)


def _seconds(every: str) -> float:
    try:
        return max(parse_duration(every), LOOK_EVERY)
    except ValueError as error:
        raise BadInput(f"--every: {error}") from error
