"""``sutazai run``: give the fleet work and watch it being done."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from sutazai.cli import fleets
from sutazai.cli.client import connected
from sutazai.cli.console import console
from sutazai.cli.follow import LOST, ask_again_soon
from sutazai.cli.options import JsonOption, StateOption
from sutazai.cli.output import FAILED, INTERRUPTED, print_json
from sutazai.cli.run_view import ENDED, StepLines, print_outcome, run_view
from sutazai.client import Control
from sutazai.fleet.errors import BadInput, SutazaiError
from sutazai.fleet.places import Places
from sutazai.fleet.work import Run, RunRequest, WorkState
from sutazai.tasks.backlog import parse_backlog

SAMPLE_GOAL = "Get a new fleet of agents ready for its first users."
CANCEL_WITHIN = 15.0
REDRAWS_A_SECOND = 4

app = typer.Typer()


@app.command()
def run(
    goal: Annotated[str | None, typer.Argument(metavar="GOAL", help="What to achieve.")] = None,
    backlog: Annotated[
        Path | None,
        typer.Option("--backlog", metavar="FILE", help="Items to work through; `-` is stdin."),
    ] = None,
    workflow: Annotated[
        str | None, typer.Option("--workflow", metavar="NAME", help="One of the fleet file.")
    ] = None,
    given: Annotated[
        str | None, typer.Option("--input", metavar="JSON", help="For it: JSON; `-` is stdin.")
    ] = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Work through a goal or a backlog: plan, execute, review; or through a workflow's steps.

    With none of them a small sample backlog is worked through. A backlog is a text or Markdown file
    with one item a list entry. Ctrl-C cancels the run. Exit code 1 when the run fails.
    """
    places = fleets.running(state)
    if workflow is None and given is None:
        request = _request(goal, backlog)
    else:
        request = _declared(workflow, given, alone=goal is None and backlog is None)
    work = Work(places, request, quiet=as_json)
    try:
        ended = asyncio.run(work.do())
    except KeyboardInterrupt:
        work.cancel()
        raise typer.Exit(INTERRUPTED) from None
    _report(ended, places, as_json=as_json)


def _request(goal: str | None, backlog: Path | None) -> RunRequest:
    if goal is not None and not goal.strip():
        raise BadInput("the goal is empty", hint='sutazai run "what to achieve"')
    if backlog is not None:
        return RunRequest(goal=goal or "", backlog=parse_backlog(_text(backlog)))
    if goal is not None:
        return RunRequest(goal=goal)
    sample = resources.files("sutazai.cli").joinpath("sample-backlog.md")
    return RunRequest(goal=SAMPLE_GOAL, backlog=parse_backlog(sample.read_text(encoding="utf-8")))


def _declared(workflow: str | None, given: str | None, *, alone: bool) -> RunRequest:
    if workflow is None or not alone:
        raise BadInput(
            "`--input` is for `--workflow`, which takes no goal and no backlog",
            hint="sutazai run --workflow NAME --input JSON",
        )
    text = sys.stdin.read() if given == "-" else given
    try:
        return RunRequest(workflow=workflow, input=None if text is None else json.loads(text))
    except ValueError as error:
        raise BadInput(
            f"the input is no JSON: {error}", hint="a text stands in quotes: '\"a text\"'"
        ) from error


def _text(path: Path) -> str:
    if str(path) == "-":
        return sys.stdin.read()
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise BadInput(f"there is no file {path}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not a text in UTF-8") from error


def _report(run: Run, places: Places, *, as_json: bool) -> None:
    if as_json:
        print_json(run.model_dump(mode="json"))
    else:
        print_outcome(run, console(), places.artifacts / run.id)
    if run.state is not WorkState.DONE:
        raise typer.Exit(FAILED)


class Work:
    """One run from its start to its end, shown as it goes.

    Args:
        quiet: show nothing, for who reads JSON.
    """

    def __init__(self, places: Places, request: RunRequest, *, quiet: bool) -> None:
        self._places = places
        self._request = request
        self._quiet = quiet
        self._id: str | None = None

    async def do(self) -> Run:
        """Start the run and wait for its end."""
        async with connected(self._places) as control:
            value = self._request.model_dump(mode="json", exclude_unset=True)
            first = Run.model_validate(await control.post("/runs", value))
            self._id = first.id
            return await self._shown(control, first)

    def cancel(self) -> None:
        """Ask control to cancel the run that was started, if one was."""
        if self._id is None:
            return
        try:
            asyncio.run(self._cancel(self._id))
        except (SutazaiError, TimeoutError) as error:
            print(f"run {self._id} could not be cancelled: {error}", file=sys.stderr)
        else:
            print(f"run {self._id} cancelled", file=sys.stderr)

    async def _cancel(self, run: str) -> None:
        async with asyncio.timeout(CANCEL_WITHIN), connected(self._places) as control:
            await control.post(f"/runs/{run}/cancel")

    async def _shown(self, control: Control, run: Run) -> Run:
        screen = console()
        changes = _changes(control, run)
        if self._quiet:
            return await _last(changes, run)
        if not screen.is_terminal:
            return await _as_lines(changes, run, screen)
        return await _live(changes, run, screen)


async def _changes(control: Control, run: Run) -> AsyncIterator[Run]:
    """The run at every change until it has ended, over restarts of control. Raises NotRunning."""
    while run.state not in ENDED:
        try:
            async with aclosing(control.events("GET", f"/runs/{run.id}/events")) as messages:
                async for message in messages:
                    run = Run.model_validate_json(message.data)
                    yield run
        except LOST:
            pass  # control restarts, and the run goes on: ask again
        if run.state not in ENDED:
            await ask_again_soon(control)


async def _last(changes: AsyncIterator[Run], run: Run) -> Run:
    async for changed in changes:
        run = changed
    return run


async def _as_lines(changes: AsyncIterator[Run], run: Run, screen: Console) -> Run:
    lines = StepLines()
    screen.print(f"run {run.id} started", soft_wrap=True)
    async for changed in changes:
        run = changed
        for line in lines.changes(run, now=time.time()):
            screen.print(line, soft_wrap=True)
    return run


async def _live(changes: AsyncIterator[Run], run: Run, screen: Console) -> Run:
    latest = run

    with Live(
        console=screen,
        get_renderable=lambda: run_view(latest, now=time.time()),
        refresh_per_second=REDRAWS_A_SECOND,
    ):
        async for changed in changes:
            latest = changed
    return latest
