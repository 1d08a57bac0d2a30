"""``sutazai pause`` and ``resume``: the brake on all that agents ask of models."""

from __future__ import annotations

import typer

from sutazai.cli.gateway_link import with_gateway
from sutazai.cli.options import JsonOption, StateOption
from sutazai.cli.output import print_json

pause_app = typer.Typer()
resume_app = typer.Typer()


@pause_app.command()
def pause(state: StateOption = None, as_json: JsonOption = False) -> None:
    """Let no further call of an agent through to a model, at once.

    What runs already is answered; what comes waits in the queue, with its deadline, until
    `sutazai resume`.
    """
    answer = with_gateway(state, lambda api: api.post("/pause"))
    if as_json:
        print_json(answer)
    else:
        print("paused: agents' calls wait until `sutazai resume`")


@resume_app.command()
def resume(state: StateOption = None, as_json: JsonOption = False) -> None:
    """Let the calls of agents through again, those that waited first."""
    answer = with_gateway(state, lambda api: api.post("/resume"))
    if as_json:
        print_json(answer)
    else:
        print("resumed")
