"""``sutazai agents``: one agent or all of them."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.text import Text

from sutazai.cli.agent_view import agent_view
from sutazai.cli.client import with_control
from sutazai.cli.console import console
from sutazai.cli.options import AgentArgument, JsonOption, StateOption
from sutazai.cli.output import print_json
from sutazai.cli.status_view import agents_table, status_document
from sutazai.client import Control

app = typer.Typer(no_args_is_help=True, help="List, show, start, stop agents and read their logs.")


@app.command("list")
def list_agents(state: StateOption = None, as_json: JsonOption = False) -> None:
    """List all agents by group, with state, memory and port."""
    with_control(state, lambda control: _list(control, as_json=as_json))


@app.command()
def show(agent: AgentArgument, state: StateOption = None, as_json: JsonOption = False) -> None:
    """Show one agent: what it is, why it is in its state, and what happened to it last."""
    with_control(state, lambda control: _show(control, agent, as_json=as_json))


@app.command()
def start(agent: AgentArgument, state: StateOption = None) -> None:
    """Start an agent that was stopped, has failed or sleeps."""
    with_control(state, lambda control: _do(control, agent, "start", "started"))


@app.command()
def stop(agent: AgentArgument, state: StateOption = None) -> None:
    """Stop an agent until `sutazai agents start` starts it again."""
    with_control(state, lambda control: _do(control, agent, "stop", "stopped"))


@app.command()
def restart(agent: AgentArgument, state: StateOption = None) -> None:
    """Stop an agent's instances and start new ones."""
    with_control(state, lambda control: _do(control, agent, "restart", "restarted"))


@app.command()
def logs(
    agent: AgentArgument,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Lines to begin with.")] = 100,
    state: StateOption = None,
) -> None:
    """Print what an agent wrote."""
    with_control(state, lambda control: _logs(control, agent, lines=lines, follow=follow))


async def _list(control: Control, *, as_json: bool) -> None:
    found = await control.status(memory=True)
    if as_json:
        print_json(status_document(found)["agents"])
        return
    screen = console()
    screen.print(agents_table(found.agents, width=screen.width))


async def _do(control: Control, agent: str, action: str, done: str) -> None:
    await control.post(f"/agents/{agent}/{action}", within=None)
    print(f"{agent} {done}")


async def _logs(control: Control, agent: str, *, lines: int, follow: bool) -> None:
    pieces = control.pieces(f"/agents/{agent}/log", lines=lines, follow=int(follow) or None)
    async for piece in pieces:
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()


async def _show(control: Control, agent: str, *, as_json: bool) -> None:
    found = await control.get(f"/agents/{agent}")
    if as_json:
        print_json(found)
        return
    screen = console()
    for part in agent_view(found):
        screen.print(part, soft_wrap=isinstance(part, Text))
