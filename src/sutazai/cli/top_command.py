"""``sutazai top``: who takes the machine and the model, and what is wrong, now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Annotated

import typer
from rich.console import Console

from sutazai.cli import fleets
from sutazai.cli.client import connected
from sutazai.cli.console import console
from sutazai.cli.options import JsonOption, StateOption
from sutazai.cli.output import print_json
from sutazai.cli.top.agents import top_document, top_view
from sutazai.cli.top.figures import Figures, History, Sort
from sutazai.cli.top.pages import Pages
from sutazai.cli.top.reading import Reader
from sutazai.cli.top.watch import TopScreen
from sutazai.fleet.errors import NotRunning
from sutazai.fleet.places import Places
from sutazai.wire import Client

EVERY = 2.0
FIRST_AFTER = 1.0
"""Seconds between the first two looks, between which CPU time is first told."""
MEASURE_EVERY = 10.0
"""Seconds between two measurements of every instance's memory, which cost 1 ms each."""

app = typer.Typer()


@app.command()
def top(
    sort: Annotated[
        Sort, typer.Option("--sort", help="The column that rows are sorted by.")
    ] = Sort.MEMORY,
    number: Annotated[
        int | None, typer.Option("-n", metavar="N", min=1, help="Print N times, then leave.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Print once: the same as -n 1.")] = False,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show who takes memory, CPU time and the model, until q; ? shows all keys.

    Keys 1 to 6 turn to the overview, agents, the gateway, tasks, rollouts and alerts.

    CPU is percent of one core, since the look before. Share is of the tokens that the model read
    and wrote in the last minute or more. Without a terminal, and with --json, it prints once.
    """
    places, screen = fleets.running(state), console()
    if number or once or as_json or not screen.is_terminal:
        asyncio.run(_print(places, sort, screen, times=number or 1, as_json=as_json))
        return
    with suppress(KeyboardInterrupt, asyncio.CancelledError):  # it is left so, or by SIGTERM
        asyncio.run(_watch(places, sort, screen))


async def _watch(places: Places, sort: Sort, screen: Console) -> None:
    async with Client() as client, connected(places) as control:
        pages = Pages(client, control, places)
        await TopScreen(screen, sort, lambda: _looks(places, sort), pages.read).run()


async def _print(places: Places, sort: Sort, screen: Console, *, times: int, as_json: bool) -> None:
    async with aclosing(_looks(places, sort)) as looks:
        await anext(looks)  # CPU time is known from the second look on
        for _ in range(times):
            figures = await anext(looks)
            if as_json:
                print_json(top_document(figures))
            else:
                screen.print(top_view(figures, width=screen.width))


async def _looks(places: Places, sort: Sort) -> AsyncGenerator[Figures]:
    """Figures again and again, over restarts of all that is asked. Raises NotRunning."""
    history, measured_at, pause = History(), -MEASURE_EVERY, FIRST_AFTER
    async with Client() as client, connected(places) as control:
        reader = Reader(client, control, places)
        while True:
            measure = time.monotonic() - measured_at >= MEASURE_EVERY
            look = await reader.look(measure=measure)
            if measure and look.host is not None:
                measured_at = time.monotonic()
            yield history.add(look, sort)
            if not fleets.is_running(places):
                raise NotRunning("the fleet was stopped", hint="sutazai up")
            await asyncio.sleep(pause)
            pause = EVERY
