"""``sutazai agents``: one agent or all of them."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from sutazai.cli.client import Control, with_control
from sutazai.cli.console import clock, console, plain, table
from sutazai.cli.follow import event_line
from sutazai.cli.options import AgentArgument, JsonOption, StateOption
from sutazai.cli.output import print_json
from sutazai.cli.status_view import agents_table, memory_cell, state_cell, status_document
from sutazai.fleet.spec import MEMORY_CLASSES
from sutazai.fleet.status import AgentStatus, Event
from sutazai.fleet.units import format_size

app = typer.Typer(no_args_is_help=True, help="List, show, start, stop agents and read their logs.")


@app.command("list")
def list_agents(state: StateOption = None, as_json: JsonOption = False) -> None:
    """List all agents by group, with state, memory and port."""
    with_control(state, lambda control: _list(control, as_json=as_json))


@app.command()
def show(agent: AgentArgument, state: StateOption = None, as_json: JsonOption = False) -> None:
    """Show one agent: what it is, how it does, what happened to it."""
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
    status = AgentStatus.model_validate(found["status"])
    screen = console()
    _print_facts(screen, status, found["spec"])
    _print_instances(screen, status)
    _print_last_exit(screen, status)
    for event in found["events"]:
        screen.print(event_line(Event.model_validate(event)), soft_wrap=True)


def _print_facts(screen: Console, status: AgentStatus, spec: dict[str, Any]) -> None:
    screen.print(Text.assemble((status.name, "bold"), "  ", status.description), soft_wrap=True)
    why = f" ({plain(status.reason)})" if status.reason else ""
    screen.print(Text.assemble("state        ", state_cell(status), why), soft_wrap=True)
    facts = {
        "since": clock(status.since),
        "temperature": status.temperature.value,
        "runtime": status.runtime.value,
        "group": status.group,
        "rank": status.rank + (f", reports to {status.lead}" if status.lead else ""),
        "tier": f"{status.tier}, priority {status.priority}",
        "port": status.port,
        "memory": f"{memory_cell(status)} of at most {_limit(spec)}",
        "restarts": status.restarts,
        "command": " ".join(spec.get("command") or ()),
        "prompt": spec.get("prompt"),
    }
    for name, value in facts.items():
        if value not in (None, ""):
            lines = plain(str(value)).rstrip().replace("\n", f"\n{'':<13}")
            screen.print(Text(f"{name:<13}{lines}"), soft_wrap=True)


def _limit(spec: dict[str, Any]) -> str:
    """A class of memory with its size, or the size that the fleet file gives."""
    memory = str(spec.get("memory", "-"))
    known = MEMORY_CLASSES.get(memory)
    return f"{format_size(known)} ({memory})" if known else memory


def _print_instances(screen: Console, status: AgentStatus) -> None:
    if not status.instances:
        return
    shown = table("instance", "pid", "state", "since", "memory")
    for instance in status.instances:
        memory = "-" if instance.pss is None else format_size(instance.pss)
        shown.add_row(
            instance.instance,
            str(instance.pid),
            instance.state.value,
            clock(instance.since),
            memory,
        )
    screen.print("", shown, "", sep="\n")


def _print_last_exit(screen: Console, status: AgentStatus) -> None:
    if status.last_exit is None:
        return
    exit_ = status.last_exit
    screen.print(Text(f"last exit {clock(exit_.at)}: {plain(exit_.reason)}"), soft_wrap=True)
    for line in exit_.lines:
        screen.print(Text(f"  {plain(line)}", "dim"), soft_wrap=True)
