"""``sutazai status``: what the fleet does now."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

import typer
from rich.live import Live

from sutazai.cli.client import with_control
from sutazai.cli.console import console
from sutazai.cli.options import JsonOption, StateOption
from sutazai.cli.output import print_json
from sutazai.cli.status_view import status_document, status_view, watch_view
from sutazai.client import Control
from sutazai.fleet.errors import BadInput

WATCH_EVERY = 2.0

app = typer.Typer()


@app.command()
def status(
    state: StateOption = None,
    as_json: JsonOption = False,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every two seconds.")] = False,
) -> None:
    """Show the agents, the LLM and what is wrong.

    Memory is the proportional set size (PSS): shared pages are counted once among their users.
    """
    if watch and as_json:
        raise BadInput("--watch is for people and --json for scripts", hint="give one of them")
    if watch:
        with_control(state, _watch)
    else:
        with_control(state, lambda control: _once(control, as_json=as_json))


async def _once(control: Control, *, as_json: bool) -> None:
    found = await control.status(memory=True)
    if as_json:
        print_json(status_document(found))
        return
    screen = console()
    screen.print(status_view(found, now=time.time(), width=screen.width))


async def _watch(control: Control) -> None:
    screen = console()
    with Live(console=screen, screen=screen.is_terminal, auto_refresh=False) as live:
        while True:
            found = await control.status(memory=True)
            live.update(watch_view(found, now=time.time(), width=screen.width), refresh=True)
            await asyncio.sleep(WATCH_EVERY)
