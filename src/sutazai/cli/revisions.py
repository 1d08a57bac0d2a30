"""``sutazai history``, ``diff`` and ``rollback``: the fleet's revisions."""

from __future__ import annotations

from typing import Annotated

import typer

from sutazai.cli import fleets
from sutazai.cli.client import with_control
from sutazai.cli.console import console
from sutazai.cli.offer import Asked, ask
from sutazai.cli.options import DryRunOption, JsonOption, NowOption, ReasonOption, StateOption
from sutazai.cli.output import print_json
from sutazai.cli.revisions_view import difference_view, history_table, print_plan
from sutazai.fleet.places import Places
from sutazai.fleet.revisions import Difference, RevisionInfo

history_app, diff_app, rollback_app = typer.Typer(), typer.Typer(), typer.Typer()


@history_app.command()
def history(state: StateOption = None, as_json: JsonOption = False) -> None:
    """List the revisions of the fleet, newest first."""
    found = with_control(state, lambda control: control.get("/revisions"))
    if as_json:
        print_json(found)
    else:
        console().print(history_table([RevisionInfo.model_validate(each) for each in found]))


@diff_app.command()
def diff(
    before: Annotated[int, typer.Argument(metavar="A", help="A revision.")],
    after: Annotated[int, typer.Argument(metavar="B", help="Another one.")],
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what lies between two revisions."""
    path = f"/revisions/{before}/difference/{after}"
    found = with_control(state, lambda control: control.get(path))
    if as_json:
        print_json(found)
    else:
        console().print(difference_view(Difference.model_validate(found)))


@rollback_app.command()
def rollback(
    number: Annotated[
        int | None,
        typer.Argument(metavar="N", help="The revision to go back to; else the one before."),
    ] = None,
    dry_run: DryRunOption = False,
    now: NowOption = False,
    reason: ReasonOption = "",
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make what an earlier revision declared the next one, as `apply` does."""
    places = fleets.running(state)
    wanted = _one_before(places) if number is None else number
    asked = Asked(now=now, dry_run=dry_run, reason=reason)
    plan = ask(places.state, f"/revisions/{wanted}/restore", asked.as_dict())
    print_plan(plan, as_json=as_json)


def _one_before(places: Places) -> int:
    found = with_control(places.state, lambda control: control.get("/revisions"))
    return max(1, int(found[0]["number"]) - 1)
