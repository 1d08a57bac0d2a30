"""``sutazai dead``: tasks that failed for good, expired or were shed."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from sutazai.cli.client import with_control
from sutazai.cli.console import console
from sutazai.cli.options import JsonOption, StateOption
from sutazai.cli.output import print_json
from sutazai.cli.tasks_view import task_view, tasks_table
from sutazai.fleet.errors import BadInput
from sutazai.fleet.units import parse_duration
from sutazai.fleet.work import Task

app = typer.Typer(no_args_is_help=True, help="Tasks that failed for good, expired or were shed.")

TaskArgument = Annotated[str | None, typer.Argument(metavar="[TASK]", help="Only this one.")]
AgentOption = Annotated[str | None, typer.Option("--agent", help="Of this agent.")]
KindOption = Annotated[
    str | None,
    typer.Option("--kind", help="failed, expired, shed, or an error's name as AgentFailed."),
]
SinceOption = Annotated[
    str | None, typer.Option("--since", metavar="AGE", help="Not older, as 90m or 2d.")
]
AllOption = Annotated[bool, typer.Option("--all", help="All that match.")]


@app.command("list")
def list_dead(
    agent: AgentOption = None,
    kind: KindOption = None,
    since: SinceOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="Show at most N.")] = 50,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """List dead letters, each with its reason."""
    wanted = {**_wanted(agent, kind, since), "limit": limit}
    found = with_control(state, lambda control: control.get("/dead", **wanted))
    if as_json:
        print_json(found)
    else:
        tasks = [Task.model_validate(task) for task in found]
        console().print(tasks_table(tasks, now=time.time()))


@app.command()
def show(
    task: Annotated[str, typer.Argument(metavar="TASK", help="Id of the task.")],
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one dead letter: its reason, its attempts, the last error and log lines."""
    found = with_control(state, lambda control: control.get(f"/dead/{task}"))
    if as_json:
        print_json(found)
        return
    screen = console()
    for part in task_view(Task.model_validate(found)):
        screen.print(part)


@app.command()
def replay(
    task: TaskArgument = None,
    every: AllOption = False,
    agent: AgentOption = None,
    kind: KindOption = None,
    since: SinceOption = None,
    state: StateOption = None,
) -> None:
    """Put one dead letter into the queue again, or all that match (1,000 at a time)."""
    wanted = _meant(task, _wanted(agent, kind, since), every=every)
    path = f"/dead/{task}/replay" if task else "/dead/replay"
    found = with_control(state, lambda control: control.post(path, **wanted))
    count = 1 if task else len(found)
    print(f"replayed: {count} task{'s' * (count != 1)}")


@app.command()
def drop(
    task: TaskArgument = None,
    every: AllOption = False,
    agent: AgentOption = None,
    kind: KindOption = None,
    since: SinceOption = None,
    state: StateOption = None,
) -> None:
    """Forget one dead letter, or all that match (1,000 at a time)."""
    wanted = _meant(task, _wanted(agent, kind, since), every=every)
    path = f"/dead/{task}" if task else "/dead"
    count = with_control(state, lambda control: control.delete(path, **wanted))["dropped"]
    print(f"dropped: {count} task{'s' * (count != 1)}")


def _wanted(agent: str | None, kind: str | None, since: str | None) -> dict[str, Any]:
    try:
        after = None if since is None else time.time() - parse_duration(since)
    except ValueError as error:
        raise BadInput(f"--since: {error}") from error
    return {"agent": agent, "kind": kind, "since": after}


def _meant(task: str | None, wanted: dict[str, Any], *, every: bool) -> dict[str, Any]:
    """The filter, where not one task is named. Raises BadInput where nothing was said at all."""
    filtered = any(value is not None for value in wanted.values())
    if task and (every or filtered):
        raise BadInput("name one task, or say which ones by options, not both")
    if not task and not every and not filtered:
        raise BadInput("say which ones", hint="name a task, filter, or take --all")
    return {} if task else wanted
