"""``sutazai tasks``: give durable work, look at it, wait for it, cancel it."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from sutazai.cli.client import with_control
from sutazai.cli.console import console
from sutazai.cli.follow import LOST, ask_again_soon
from sutazai.cli.options import JsonOption, StateOption
from sutazai.cli.output import FAILED, print_json
from sutazai.cli.tasks_view import task_view, tasks_table
from sutazai.client import Control
from sutazai.fleet.declared import Priority
from sutazai.fleet.errors import BadInput, DeadlineExceeded
from sutazai.fleet.units import parse_duration
from sutazai.fleet.work import TTL, Task, WorkState

LOOK = 10.0
"""Seconds that control is asked to wait at a time."""

app = typer.Typer(no_args_is_help=True, help="Give durable work, look at it, wait for it.")

TaskArgument = Annotated[str, typer.Argument(metavar="TASK", help="Id or idempotency key.")]
WaitOption = Annotated[bool, typer.Option("--wait", "-w", help="Wait for the end, and show it.")]


@app.command()
def submit(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[AGENT] [INPUT]", help="Who, and what: text, JSON or `-` (stdin)."),
    ] = None,
    capability: Annotated[
        str | None, typer.Option("--capability", metavar="NAME", help="Any agent that can do it.")
    ] = None,
    group: Annotated[
        str | None, typer.Option("--group", metavar="NAME", help="Any agent of the group.")
    ] = None,
    file: Annotated[
        str | None,
        typer.Option("--file", metavar="NAME", help="Input: a file below the artifacts folder."),
    ] = None,
    batch: Annotated[
        Path | None,
        typer.Option("--batch", metavar="FILE", help="A JSON list of tasks: all or none."),
    ] = None,
    priority: Annotated[Priority | None, typer.Option("--priority", help="Its rank.")] = None,
    deadline: Annotated[
        str | None, typer.Option("--deadline", metavar="TIME", help="For each attempt; 300s.")
    ] = None,
    ttl: Annotated[
        str | None,
        typer.Option("--ttl", metavar="TIME", help="In the queue; 300s, or `none` for ever."),
    ] = None,
    retries: Annotated[int, typer.Option("--retries", min=0, max=20, help="After failures.")] = 0,
    key: Annotated[
        str | None, typer.Option("--key", help="Idempotency key: the same is the same task.")
    ] = None,
    dedup: Annotated[bool, typer.Option("--dedup", help="Take an open one that is equal.")] = False,
    after: Annotated[
        list[str] | None, typer.Option("--after", metavar="TASK", help="Not before this is done.")
    ] = None,
    delay: Annotated[
        str | None, typer.Option("--delay", metavar="TIME", help="Not before so long from now.")
    ] = None,
    wait_for_it: WaitOption = False,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give work that survives every crash: to an agent, or to any with a capability.

    With --wait the exit code is 1 when it does not end well.
    """
    if batch is not None:
        found = with_control(state, lambda control: control.post("/tasks/batch", _batch(batch)))
        _show_many(found, as_json=as_json)
        return
    agent, given = _target(words or [], alone=not (capability or group), file=file)
    wish = {
        "agent": agent,
        "capability": capability,
        "group": group,
        "file": file,
        "priority": priority,
        "deadline": _seconds(deadline, "--deadline"),
        "retries": retries,
        "idempotency_key": key,
        "dedup": dedup,
        "depends_on": after,
        "delay": _seconds(delay, "--delay"),
    }
    wish = {name: value for name, value in wish.items() if value is not None}
    wish["ttl"] = None if ttl == "none" else _seconds(ttl, "--ttl") or TTL
    if file is None:
        wish["input"] = given
    with_control(state, lambda control: _submit(control, wish, wait=wait_for_it, as_json=as_json))


@app.command("list")
def list_tasks(
    in_state: Annotated[WorkState | None, typer.Option("--in", help="In this state.")] = None,
    agent: Annotated[str | None, typer.Option("--agent", help="Of this agent.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="Show at most N.")] = 50,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the newest tasks."""
    wanted = {"state": in_state, "agent": agent, "limit": limit}
    found = with_control(state, lambda control: control.get("/tasks", **wanted))
    _show_many(found, as_json=as_json)


@app.command()
def show(task: TaskArgument, state: StateOption = None, as_json: JsonOption = False) -> None:
    """Show one task: where it stands and why, its attempts and what came of it."""
    _show(with_control(state, lambda control: control.get(f"/tasks/{task}")), as_json=as_json)


@app.command()
def wait(
    task: TaskArgument,
    timeout: Annotated[
        str | None, typer.Option("--timeout", metavar="TIME", help="Give up after this.")
    ] = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Wait until a task has ended, and show it. Exit code 1 when it did not end well."""
    seconds = _seconds(timeout, "--timeout")
    ended = with_control(state, lambda control: _ended(control, task, seconds))
    _show(ended, as_json=as_json)
    _leave(ended)


@app.command()
def cancel(task: TaskArgument, state: StateOption = None, as_json: JsonOption = False) -> None:
    """End a task, also in the midst of its work."""
    _change(state, task, "cancel", as_json=as_json)


@app.command()
def retry(task: TaskArgument, state: StateOption = None, as_json: JsonOption = False) -> None:
    """Put a task that did not end well into the queue again."""
    _change(state, task, "retry", as_json=as_json)


async def _submit(control: Control, wish: dict[str, Any], *, wait: bool, as_json: bool) -> None:
    task = await control.post("/tasks", wish)
    if not wait:
        _print_id(task, as_json=as_json)
        return
    ended = await _ended(control, task["id"], None)
    _show(ended, as_json=as_json)
    _leave(ended)


async def _ended(control: Control, task: str, seconds: float | None) -> dict[str, Any]:
    """The task once it has ended, over every restart of control."""
    until = None if seconds is None else time.monotonic() + seconds
    while True:
        left = LOOK if until is None else until - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded(f"task {task} has not ended after {seconds:g} s")
        try:
            found: dict[str, Any] = await control.get(f"/tasks/{task}", wait=min(left, LOOK))
        except LOST:
            await ask_again_soon(control)
            continue
        if not WorkState(found["state"]).is_open:
            return found


def _change(state: Path | None, task: str, verb: str, *, as_json: bool) -> None:
    found = with_control(state, lambda control: control.post(f"/tasks/{task}/{verb}"))
    if as_json:
        print_json(found)
    else:
        print(f"{found['id']} {found['state']}")


def _print_id(task: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(task)
    else:
        print(task["id"])


def _show(found: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    screen = console()
    for part in task_view(Task.model_validate(found)):
        screen.print(part)


def _show_many(found: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        tasks = [Task.model_validate(task) for task in found]
        console().print(tasks_table(tasks, now=time.time()))


def _leave(ended: dict[str, Any]) -> None:
    if ended["state"] != WorkState.DONE:
        raise typer.Exit(FAILED)


def _target(words: list[str], *, alone: bool, file: str | None) -> tuple[str | None, Any]:
    """The agent and the input among the words that are no options."""
    expected = int(alone) + int(file is None)
    if len(words) != expected:
        raise BadInput(
            f"expected {expected} word{'s' * (expected != 1)}, and there are {len(words)}",
            hint='sutazai tasks submit AGENT "what to do"\n'
            'sutazai tasks submit --capability NAME "what to do"',
        )
    return (words[0] if alone else None), (_input(words[-1]) if file is None else None)


def _input(word: str) -> Any:
    """JSON where it is a list or an object, else the text as it is."""
    text = sys.stdin.read() if word == "-" else word
    if text.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _batch(path: Path) -> dict[str, Any]:
    text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    try:
        return {"tasks": json.loads(text)}
    except ValueError as error:
        raise BadInput(f"{path} is no JSON: {error}", hint='[{"agent": …, "input": …}]') from error


def _seconds(text: str | None, option: str) -> float | None:
    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise BadInput(f"{option}: {error}") from error
