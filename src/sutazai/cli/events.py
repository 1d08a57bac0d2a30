"""``sutazai events``: what happened, and what happens now."""

from __future__ import annotations

from typing import Annotated

import typer

from sutazai.cli.client import with_control
from sutazai.cli.console import console
from sutazai.cli.follow import event_line, follow_events, recent_events
from sutazai.cli.options import JsonOption, StateOption
from sutazai.cli.output import print_json_line
from sutazai.client import Control
from sutazai.fleet.status import Event

app = typer.Typer()


@app.command()
def events(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what happened: starts, exits and why, restarts, failures.

    With --json one event a line.
    """
    with_control(state, lambda control: _events(control, follow=follow, as_json=as_json))


async def _events(control: Control, *, follow: bool, as_json: bool) -> None:
    past = await recent_events(control)
    for event in past:
        _show(event, as_json=as_json)
    if follow:
        async for event in follow_events(control, past[-1].sequence if past else 0):
            _show(event, as_json=as_json)


def _show(event: Event, *, as_json: bool) -> None:
    if as_json:
        print_json_line(event.model_dump(mode="json"))
    else:
        console().print(event_line(event), soft_wrap=True)
