"""``sutazai worker``: one more process that does durable tasks."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Annotated

import typer
import uvloop

from sutazai.cli import fleets
from sutazai.cli.options import StateOption
from sutazai.fleet.errors import SutazaiError
from sutazai.fleet.places import Places, state_root
from sutazai.wire import Address

app = typer.Typer()


@app.command()
def worker(
    database: Annotated[
        str,
        typer.Option(
            "--database", envvar="SUTAZAI_DATABASE", metavar="URL", help="The fleet's Postgres."
        ),
    ],
    gateway: Annotated[
        str | None,
        typer.Option("--gateway", metavar="URL", help="A gateway elsewhere, as http://HOST:10104."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", envvar="SUTAZAI_KEY", help="A client's key at that gateway."),
    ] = None,
    name: Annotated[
        str, typer.Option("--name", help="What it is called in its lives; else by its process.")
    ] = "",
    state: StateOption = None,
) -> None:
    """Do durable tasks beside control, until Ctrl-C: another process, or another machine.

    All that work on one database share its queue, its limits and its tasks: what one leaves behind
    when it dies the others take over within 15 s. Agents are asked through the gateway of the fleet
    that runs here, or through --gateway.
    """
    from sutazai.control.worker import WorkerPlan, beside, work  # what only looks need not pay

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    if gateway is None:
        plan = replace(beside(fleets.running(state), database), name=name)
    else:
        artifacts = Places.of(state or state_root() / "worker").artifacts
        plan = WorkerPlan(database, artifacts, Address.parse(gateway), key=key, name=name)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work(plan))
    except* SutazaiError as errors:
        raise _first(errors) from None


def _first(errors: BaseExceptionGroup[SutazaiError]) -> SutazaiError:
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
