"""``sutazai alerts``: what is wrong, who looks after it, silences, and the rules behind it."""

from __future__ import annotations

import getpass
import time
from typing import Annotated
from urllib.parse import quote

import typer

from sutazai.cli.alerts_view import (
    alert_view,
    alerts_table,
    objectives_table,
    rules_table,
    silences_table,
)
from sutazai.cli.client import with_control
from sutazai.cli.console import clock, console
from sutazai.cli.options import JsonOption, StateOption
from sutazai.cli.output import print_json
from sutazai.fleet.alert_status import (
    Alert,
    AlertRuleStatus,
    AlertState,
    ObjectiveStatus,
    Silence,
)
from sutazai.fleet.errors import BadInput
from sutazai.fleet.units import parse_duration

app = typer.Typer(no_args_is_help=True, help="What is wrong, and who hears of it.")

AlertArgument = Annotated[
    str, typer.Argument(metavar="ALERT", help="Its id, or its rule where only one is open.")
]
ByOption = Annotated[str | None, typer.Option("--by", help="Who; else your user name.")]


@app.command("list")
def list_alerts(
    every: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what fires and what is about to, the cause before what follows from it."""
    found = with_control(state, lambda control: control.get("/alerts"))
    alerts = [Alert.model_validate(each) for each in found]
    shown = [each for each in alerts if every or each.state is not AlertState.RESOLVED]
    if as_json:
        print_json([each.model_dump(mode="json") for each in shown])
    elif shown:
        console().print(alerts_table(shown))
    else:
        print("nothing is wrong")


@app.command()
def show(alert: AlertArgument, state: StateOption = None, as_json: JsonOption = False) -> None:
    """Show one alert: whom it is about, since when, and what to do."""
    found = with_control(state, lambda control: control.get(_path(alert)))
    if as_json:
        print_json(found)
        return
    for line in alert_view(Alert.model_validate(found)):
        console().print(line)


@app.command()
def ack(
    alert: AlertArgument,
    note: Annotated[str, typer.Option("--note", help="What you found, or do.")] = "",
    by: ByOption = None,
    state: StateOption = None,
) -> None:
    """Say that you look after an alert: it is not escalated any further."""
    word = {"by": _me(by), "note": note}
    done = with_control(state, lambda control: control.post(_path(alert, "/ack"), word))
    print(f"acknowledged: {done['id']}")


@app.command()
def silence(
    matchers: Annotated[
        list[str],
        typer.Argument(
            metavar="LABEL=VALUE...", help="Labels it must have; also alert=NAME, severity=NAME."
        ),
    ],
    lasting: Annotated[str, typer.Option("--for", metavar="TIME", help="How long, as 2h.")] = "1h",
    why: Annotated[str, typer.Option("--why", help="For others who wonder.")] = "",
    by: ByOption = None,
    state: StateOption = None,
) -> None:
    """Let nobody hear of what matches, for a while."""
    wanted = {
        "matchers": dict(map(_matcher, matchers)),
        "until": time.time() + _seconds(lasting),
        "by": _me(by),
        "why": why,
    }
    made = Silence.model_validate(
        with_control(state, lambda control: control.post("/silences", wanted))
    )
    print(f"silenced until {clock(made.until)}: {made.id}")


@app.command()
def silences(state: StateOption = None, as_json: JsonOption = False) -> None:
    """List silences that have not run out."""
    found = with_control(state, lambda control: control.get("/silences"))
    if as_json:
        print_json(found)
    else:
        console().print(silences_table([Silence.model_validate(each) for each in found]))


@app.command()
def unsilence(
    silence: Annotated[str, typer.Argument(metavar="SILENCE", help="Its id.")],
    state: StateOption = None,
) -> None:
    """End a silence now."""
    path = f"/silences/{quote(silence, safe='')}"
    with_control(state, lambda control: control.delete(path))
    print(f"ended: {silence}")


@app.command()
def rules(state: StateOption = None, as_json: JsonOption = False) -> None:
    """List the rules, with how many series each one sees."""
    found = with_control(state, lambda control: control.get("/alerts/rules"))
    if as_json:
        print_json(found)
    else:
        console().print(rules_table([AlertRuleStatus.model_validate(each) for each in found]))


@app.command()
def objectives(state: StateOption = None, as_json: JsonOption = False) -> None:
    """List service levels, with what is left of their error budgets."""
    found = with_control(state, lambda control: control.get("/alerts/objectives"))
    if as_json:
        print_json(found)
    else:
        console().print(objectives_table([ObjectiveStatus.model_validate(one) for one in found]))


def _path(alert: str, verb: str = "") -> str:
    return f"/alerts/{quote(alert, safe='')}{verb}"


def _matcher(text: str) -> tuple[str, str]:
    label, equals, value = text.partition("=")
    if not equals or not label:
        raise BadInput(f"{text!r} is no label with a value", hint="write LABEL=VALUE")
    return label, value


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise BadInput(f"--for {text}: {error}") from error


def _me(by: str | None) -> str:
    if by is not None:
        return by
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in some containers
        return ""
