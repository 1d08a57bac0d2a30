"""``sutazai gateway``: a gateway alone, or a look into one that runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from sutazai.cli.console import console
from sutazai.cli.gateway_link import Replayed, dead_letter, with_gateway
from sutazai.cli.gateway_view import (
    backends_view,
    calls_view,
    dead_view,
    queue_view,
    stats_view,
)
from sutazai.cli.options import JsonOption, StateOption
from sutazai.cli.output import FAILED, print_error, print_json
from sutazai.fleet.declared import Dialect
from sutazai.fleet.errors import BadInput
from sutazai.fleet.units import parse_duration

DEFAULT_LISTEN = "127.0.0.1:10104"

app = typer.Typer(invoke_without_command=True, add_completion=False)
dead_app = typer.Typer(invoke_without_command=True)
app.add_typer(dead_app, name="dead")


class Speaks(StrEnum):
    """What the servers behind the gateway speak; `auto` asks each."""

    AUTO = "auto"
    OPENAI = "openai"
    OLLAMA = "ollama"


View = Callable[[Any], Iterable[RenderableType]]

LimitOption = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Show at most N.")]
LetterArgument = Annotated[str, typer.Argument(metavar="LETTER", help="Id of the dead letter.")]


@app.callback()
def gateway(
    context: typer.Context,
    backend: Annotated[
        list[str],
        typer.Option(
            "--backend", metavar="URL", help="LLM server; several are shared out. Else an Ollama."
        ),
    ] = [],  # noqa: B006 (typer copies it)
    dialect: Annotated[
        Speaks, typer.Option("--dialect", help="What the servers speak.")
    ] = Speaks.AUTO,
    listen: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT", help="Where programs call it.")
    ] = DEFAULT_LISTEN,
    slots: Annotated[
        int | None,
        typer.Option("--slots", min=1, max=4096, help="Calls at once on each server; else found."),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option("--state", metavar="DIR", help="Folder for its records and budgets."),
    ] = None,
) -> None:
    """Run the gateway alone in front of an LLM server, or look into one that runs.

    Without a command it runs in the foreground until Ctrl-C, and needs no fleet.

    The commands below mean the gateway of the fleet, else the one that runs alone.
    """
    if context.invoked_subcommand is not None:
        _refuse_options(context)
        return
    from sutazai.cli.gateway_alone import run_alone  # what only looks need not pay for it

    spoken = None if dialect is Speaks.AUTO else Dialect(dialect.value)
    run_alone(backend, spoken, listen=listen, slots=slots, state=state)


@app.command()
def stats(state: StateOption = None, as_json: JsonOption = False) -> None:
    """Show what it has done and what it does now."""
    _show(with_gateway(state, lambda api: api.get("/stats")), stats_view, as_json=as_json)


@app.command()
def queue(limit: LimitOption = 50, state: StateOption = None, as_json: JsonOption = False) -> None:
    """Show who waits, for how long, and when they are likely to be served."""
    found = with_gateway(state, lambda api: api.get("/queue", limit=limit))
    _show(found, queue_view, as_json=as_json)


@app.command()
def backends(state: StateOption = None, as_json: JsonOption = False) -> None:
    """Show the LLM servers, their settings, and programs that use them past the gateway."""
    _show(with_gateway(state, lambda api: api.get("/backends")), backends_view, as_json=as_json)


@app.command()
def calls(
    agent: Annotated[str | None, typer.Option("--agent", help="Of this agent or client.")] = None,
    task: Annotated[str | None, typer.Option("--task", help="Made for this task.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="For this model or tier.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="AGE", help="Not older, as 90m or 2d.")
    ] = None,
    slow: Annotated[
        str | None, typer.Option("--slow", metavar="TIME", help="That took longer, as 10s.")
    ] = None,
    text: Annotated[
        str | None,
        typer.Option("--text", help="With this in error, prompt or answer, as far as kept."),
    ] = None,
    contents: Annotated[
        bool, typer.Option("--contents", help="With prompts and answers, where those are kept.")
    ] = False,
    limit: LimitOption = 50,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search the record of calls: who, when, for which task, how long, at what cost."""
    age = _duration(since, "--since")
    wanted = {
        "agent": agent,
        "task": task,
        "model": model,
        "since": None if age is None else time.time() - age,
        "slow": _duration(slow, "--slow"),
        "text": text,
        "contents": 1 if contents else None,
        "limit": limit,
    }
    found = with_gateway(state, lambda api: api.get("/calls", **wanted))
    _show(found, calls_view, as_json=as_json)


@dead_app.callback()
def dead(context: typer.Context) -> None:
    """List, show, replay and clear calls that were refused or waited too long."""
    if context.invoked_subcommand is None:
        list_dead()


@dead_app.command("list")
def list_dead(
    limit: LimitOption = 50, state: StateOption = None, as_json: JsonOption = False
) -> None:
    """List dead letters, each with its reason."""
    found = with_gateway(state, lambda api: api.get("/dead", limit=limit))
    _show(found, dead_view, as_json=as_json)


@dead_app.command("show")
def show_dead(letter: LetterArgument, state: StateOption = None) -> None:
    """Print one dead letter whole: the request, without its secrets, and why it failed."""
    print_json(with_gateway(state, lambda api: api.get(dead_letter(letter))))


@dead_app.command("replay")
def replay_dead(letter: LetterArgument, state: StateOption = None) -> None:
    """Make the call once more and print its answer.

    Exit code 1 when it is answered with an error again.
    """
    _print_replayed(with_gateway(state, lambda api: api.replay(letter)))


@dead_app.command("clear")
def clear_dead(
    letter: Annotated[
        str | None, typer.Argument(metavar="[LETTER]", help="Only this one; else all.")
    ] = None,
    state: StateOption = None,
) -> None:
    """Forget one dead letter, or all of them."""
    path = dead_letter(letter) if letter else "/dead"
    removed = with_gateway(state, lambda api: api.delete(path))
    count = removed.get("removed", 0) if isinstance(removed, dict) else 0
    print(f"forgotten: {count} dead letter{'s' * (count != 1)}")


def _show(found: Any, view: View, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    screen = console()
    for part in view(found):
        screen.print(part)


def _print_replayed(answer: Replayed) -> None:
    """The answer's body as it came; on stderr how it was answered where that is an error."""
    sys.stdout.buffer.write(answer.body)
    if not answer.body.endswith(b"\n"):
        sys.stdout.buffer.write(b"\n")
    sys.stdout.buffer.flush()
    if answer.status >= 400:
        print_error(f"the call was answered with status {answer.status}")
        raise typer.Exit(FAILED)


def _refuse_options(context: typer.Context) -> None:
    """Options of a gateway alone, before a command that starts none."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            command = f"sutazai gateway {context.invoked_subcommand}"
            hint = f"write it behind: {command} --state DIR" if name == "state" else command
            raise BadInput(f"--{name} is for a gateway that runs alone", hint=hint)


def _duration(text: str | None, option: str) -> float | None:
    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise BadInput(f"{option}: {error}") from error
