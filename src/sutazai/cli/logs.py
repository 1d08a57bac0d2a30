"""``sutazai logs``: what units and the house's own processes wrote, together and in order."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict
from heapq import merge
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from sutazai.cli import fleets
from sutazai.cli.console import clock, console, plain
from sutazai.cli.log_files import Tail, units_in, whole
from sutazai.cli.options import JsonOption, StateOption
from sutazai.cli.output import print_json_line
from sutazai.fleet.errors import BadInput, NotFound
from sutazai.fleet.explain import did_you_mean
from sutazai.fleet.log_lines import LEVELS
from sutazai.fleet.units import parse_duration
from sutazai.gateway.records.redaction import redact
from sutazai.observe.logs import LogLine, Wanted, lines_of

LOOK = 0.5
"""Seconds between two looks at what is new."""
STYLES = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red"}

app = typer.Typer()


@app.command()
def logs(
    units: Annotated[
        list[str] | None,
        typer.Argument(metavar="[UNIT]...", help="Agents, services, control, gateway; else all."),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Lines to begin with.")] = 100,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Only of the last 10m, 2h, …")
    ] = None,
    grep: Annotated[
        str | None, typer.Option("--grep", metavar="PATTERN", help="Only lines with this in them.")
    ] = None,
    level: Annotated[
        str | None, typer.Option("--level", metavar="LEVEL", help="Only of this level, or worse.")
    ] = None,
    task: Annotated[
        str | None, typer.Option("--task", metavar="ID", help="Only what is about this task.")
    ] = None,
    run: Annotated[
        str | None, typer.Option("--run", metavar="ID", help="Only what is about this run.")
    ] = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print what was written, the oldest first; what looks like a secret is masked.

    It reads the files in the state folder, so it works with every process dead.
    """
    folder = fleets.chosen(state).logs
    names = _names(folder, units)
    wanted = Wanted(_moment(since), _pattern(grep), _level(level), task or "", run or "")
    tails = [Tail(folder, name) for name in names] if follow else []
    for line in _last(folder, names, wanted, lines):
        _show(line, as_json=as_json)
    while tails:
        time.sleep(LOOK)
        for line in _new(tails, wanted):
            _show(line, as_json=as_json)


def _last(folder: Path, names: Iterable[str], wanted: Wanted, count: int) -> Iterable[LogLine]:
    """The last ``count`` lines of all; of one unit no more than that can be among them."""
    of_each = (
        deque(
            filter(wanted.has, lines_of(name, whole(folder, name, since=wanted.since))),
            maxlen=count,
        )
        for name in names
    )
    return deque(merge(*of_each, key=lambda line: line.at), maxlen=count)


def _new(tails: Iterable[Tail], wanted: Wanted) -> list[LogLine]:
    now = time.time()
    found = chain.from_iterable(lines_of(tail.unit, tail.more(), now) for tail in tails)
    return sorted(filter(wanted.has, found), key=lambda line: line.at)


def _show(line: LogLine, *, as_json: bool) -> None:
    if as_json:
        print_json_line(_object(line))
        return
    said = line.said
    first, *more = plain(redact(line.text)).split("\n")
    style = STYLES.get(said.level, "")
    shown = Text.assemble((clock(line.at), "dim"), " ", (line.source, "bold"), " ", (first, style))
    if not line.rest:
        about = "".join(f"  {each}" for each in (said.task, said.run) if each)
        shown.append(plain(about), "dim")
    for each in more:
        shown.append(f"\n  {each}", style)
    console().print(shown, soft_wrap=True)


def _object(line: LogLine) -> dict[str, Any]:
    """All that is known of it; `text` is what was said, without its level."""
    known = {name: redact(text) for name, text in asdict(line.said).items() if text}
    text = known.pop("message", "")
    return {"at": line.at, "unit": line.unit, "source": line.source, "text": text, **known}


def _names(folder: Path, units: list[str] | None) -> list[str]:
    known = units_in(folder)
    for unit in units or ():
        if unit not in known:
            hint = did_you_mean(unit, known) or f"those with a log: {', '.join(known) or 'none'}"
            raise NotFound(f"nothing called {unit!r} has written a log", hint=hint)
    return units or known


def _moment(since: str | None) -> float:
    try:
        return time.time() - parse_duration(since) if since else 0.0
    except ValueError as error:
        raise BadInput(f"--since {since}: {error}") from error


def _level(level: str | None) -> str:
    if level is not None and level.upper() not in LEVELS:
        raise BadInput(f"--level {level}: there is no such level", hint=", ".join(LEVELS).lower())
    return (level or "").upper()


def _pattern(grep: str | None) -> re.Pattern[str] | None:
    try:
        return re.compile(grep) if grep else None
    except re.error as error:
        raise BadInput(f"--grep {grep}: {error}", hint="a regular expression") from error
