"""``sutazai apply``, ``history``, ``diff`` and ``rollback``: the fleet's revisions."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated, Any

import typer

from sutazai.cli import fleets
from sutazai.cli.client import with_control
from sutazai.cli.config import read_config
from sutazai.cli.console import console
from sutazai.cli.fleet_file import Accepted, accept, meant
from sutazai.cli.options import JsonOption, StateOption
from sutazai.cli.output import print_json, print_problem
from sutazai.cli.revisions_view import difference_view, history_table, plan_view
from sutazai.fleet.code import codes_of
from sutazai.fleet.places import Places
from sutazai.fleet.revisions import Difference, FleetPlan, RevisionInfo

ACCEPTED_WITHIN = 60.0
"""Seconds that control has to compare two fleets and keep one."""

NowOption = Annotated[
    bool, typer.Option("--now", help="Move every changed agent at once, without a rollout.")
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
]
ReasonOption = Annotated[str, typer.Option("--reason", "-m", help="Why, for the history.")]

apply_app, history_app = typer.Typer(), typer.Typer()
diff_app, rollback_app = typer.Typer(), typer.Typer()


@apply_app.command()
def apply(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Fleet file; else ./fleet.yaml.")
    ] = None,
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
    """
    accepted, places = _accepted(file, state)
    for warning in accepted.warnings:
        print_problem(warning.as_dict())
    source = accepted.file.absolute() if accepted.file else None
    asked = {
        "fleet": accepted.fleet.model_dump(mode="json", by_alias=True),
        "codes": codes_of(accepted.fleet, source.parent if source else Path.home()),
        "file": str(source) if source else None,
        "now": now,
        "dry_run": dry_run,
        **_said(reason),
    }
    _show(_asked(places.state, "/revisions", asked), as_json=as_json)


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
    asked = {"now": now, "dry_run": dry_run, **_said(reason)}
    _show(_asked(places.state, f"/revisions/{wanted}/restore", asked), as_json=as_json)


def _accepted(file: Path | None, state: Path | None) -> tuple[Accepted, Places]:
    """The file's fleet on the ports of the running one, and where that one is."""
    source = meant(file)
    found = accept(source)
    places = fleets.running(state or fleets.places_of_name(found.fleet.name).state)
    return accept(source, port_base=read_config(places).ports.control), places


def _asked(state: Path, path: str, asked: dict[str, Any]) -> FleetPlan:
    answer = with_control(state, lambda control: control.post(path, asked, within=ACCEPTED_WITHIN))
    return FleetPlan.model_validate(answer)


def _one_before(places: Places) -> int:
    found = with_control(places.state, lambda control: control.get("/revisions"))
    return max(1, int(found[0]["number"]) - 1)


def _said(reason: str) -> dict[str, str]:
    return {"author": getpass.getuser(), "reason": reason}


def _show(plan: FleetPlan, *, as_json: bool) -> None:
    if as_json:
        print_json(plan.model_dump(mode="json"))
    else:
        console().print(plan_view(plan))
