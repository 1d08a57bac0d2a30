"""``sutazai chaos``: breaks a running fleet on purpose, and says what was lost."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Annotated, Any

import typer

from sutazai.cli.chaos.doing import Deed, Doer, describe
from sutazai.cli.chaos.ledger import Ledger
from sutazai.cli.chaos.victims import Victims
from sutazai.cli.client import with_control
from sutazai.cli.gateway_link import connected
from sutazai.cli.options import JsonOption, StateOption
from sutazai.cli.output import FAILED, print_json
from sutazai.client import Control
from sutazai.fleet.chaos import Action, Chaos, Connections, parse_chaos, random_chaos
from sutazai.fleet.errors import BadInput, NotFound
from sutazai.fleet.ids import new_tag
from sutazai.fleet.spec import Runtime
from sutazai.fleet.units import parse_duration

AGENTS_MAX = 12
"""Agents that get tasks, drawn by lot."""

app = typer.Typer(help="Break a running fleet on purpose, and see what is lost.")


@app.callback()
def chaos() -> None:
    """Break a running fleet on purpose, and see what is lost."""


@app.command()
def run(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A chaos file; see docs/chaos.md.")
    ] = None,
    at_random: Annotated[
        bool, typer.Option("--random", help="Draw what is done by lot instead.")
    ] = False,
    seed: Annotated[int, typer.Option(help="The same seed draws the same again.")] = 0,
    lasts: Annotated[str, typer.Option("--for", metavar="TIME", help="How long.")] = "60s",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
    ] = False,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Kill, freeze and starve parts of the running fleet while its agents work.

    Everything is undone at the end. Ends with 1 where an accepted task was lost, or where a part
    of the fleet did not come back.
    """
    plan = _plan(file, at_random=at_random, seed=seed, lasts=lasts)
    if dry_run:
        _show_plan(plan, as_json=as_json)
        return
    report = with_control(state, lambda control: _run(control, plan, quiet=as_json))
    if as_json:
        print_json(report)
    else:
        _show(report)
    if report["tasks"]["lost"] or any(deed["trouble"] and deed["units"] for deed in report["done"]):
        raise typer.Exit(FAILED)


def _plan(file: Path | None, *, at_random: bool, seed: int, lasts: str) -> Chaos:
    if at_random == (file is not None):
        raise BadInput(
            "say what to do: a chaos file, or --random",
            hint="sutazai chaos run --random --seed 7 --for 60s",
        )
    if file is None:
        return random_chaos(seed, _seconds(lasts))
    try:
        return parse_chaos(file.read_text(), file=str(file))
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {file}", hint="or draw by lot: --random") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} cannot be read: {error}") from error


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise BadInput(f"--for: {error}", hint="as in --for 60s") from error


async def _run(control: Control, plan: Chaos, *, quiet: bool) -> dict[str, Any]:
    chance = Random(plan.seed)  # noqa: S311 (no secret)
    victims = Victims(control, chance)
    ledger = Ledger(control, await _workers(victims, chance), f"chaos-{new_tag(8)}")
    async with connected(control.places) as gateway:

        async def trouble(order: Connections) -> None:
            value = {
                "drop": order.drop, "delay": order.delay, "lasts": order.lasts, "seed": plan.seed
            }  # fmt: skip
            await gateway.put("/trouble", value)

        doer = Doer(victims, trouble, time.monotonic())
        await _break(plan, doer, ledger, quiet=quiet)
    return {
        "seed": plan.seed,
        "seconds": plan.lasts,
        "done": [asdict(deed) for deed in doer.deeds],
        "tasks": {
            "asked": ledger.asked,
            "accepted": len(ledger.accepted),
            **{state.value: number for state, number in sorted(ledger.states.items())},
            "errors": dict(ledger.errors),
            "lost": len(ledger.open),
        },
    }


async def _workers(victims: Victims, chance: Random) -> list[str]:
    """Agents that can be given work: those that need no program of others."""
    status = await victims.status()
    agents = () if status is None else status.agents
    able = [agent.name for agent in agents if agent.runtime is Runtime.PYTHON]
    if not able:
        raise BadInput("the fleet has no Python agents that tasks could be given to")
    return chance.sample(able, min(AGENTS_MAX, len(able)))


async def _break(plan: Chaos, doer: Doer, ledger: Ledger, *, quiet: bool) -> None:
    """Does all of ``plan``, with work going on, and waits for what was accepted."""
    giving = None
    if plan.tasks_per_minute:
        giving = asyncio.create_task(ledger.give(60.0 / plan.tasks_per_minute), name="chaos-tasks")
    doing = [
        asyncio.create_task(_do_at(doer, action, quiet=quiet), name=f"chaos-{action.do}")
        for action in plan.actions
    ]
    try:
        await asyncio.sleep(plan.lasts)
        if giving is not None:
            giving.cancel()
        if doing:
            await asyncio.wait(doing)
        await ledger.settle()
    finally:
        for task in (*doing, *([giving] if giving is not None else [])):
            task.cancel()
        doer.undo()


async def _do_at(doer: Doer, action: Action, *, quiet: bool) -> None:
    await asyncio.sleep(max(0.0, doer.begun + action.at - time.monotonic()))
    if not quiet:
        print(f"{action.at:6.1f} s  {describe(action)}", flush=True)
    await doer.do(action)


def _show_plan(plan: Chaos, *, as_json: bool) -> None:
    if as_json:
        print_json(plan.model_dump(mode="json", by_alias=True))
        return
    for action in plan.actions:
        print(f"{action.at:6.1f} s  {describe(action)}")


def _show(report: dict[str, Any]) -> None:
    print()
    for deed in report["done"]:
        print(f"{deed['at']:6.1f} s  {deed['what']}{_came_of(Deed(**deed))}")
    tasks = report["tasks"]
    told = ", ".join(
        f"{tasks[name]} {name}" for name in ("done", "failed", "cancelled") if name in tasks
    )
    print(f"\ntasks: {tasks['asked']} asked, {tasks['accepted']} accepted: {told or 'none ended'}")
    for code, number in tasks["errors"].items():
        print(f"       {number} ended with {code}")
    print(f"lost: {tasks['lost']}")


def _came_of(deed: Deed) -> str:
    whom = f": {', '.join(deed.units)}" if deed.units else ""
    back = "" if deed.back is None else f"; back after {deed.back:g} s"
    return f"{whom}{back}{f'; {deed.trouble}' if deed.trouble else ''}"
