"""``sutazai trace``: what became of a task, by time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated
from urllib.parse import quote

import typer
from rich.table import Table
from rich.text import Text

from sutazai.cli.client import with_control
from sutazai.cli.console import console, plain, table
from sutazai.cli.options import JsonOption, StateOption
from sutazai.cli.output import print_json
from sutazai.fleet.traces import Span
from sutazai.fleet.units import format_duration

app = typer.Typer()


@app.command()
def trace(
    task: Annotated[str, typer.Argument(metavar="TASK", help="Id or idempotency key.")],
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show where a task's time went: its waits, its attempts, and their calls to models."""
    path = f"/tasks/{quote(task, safe='')}/trace"
    found = with_control(state, lambda control: control.get(path))
    if as_json:
        print_json(found)
    else:
        console().print(trace_table(Span.model_validate(found), now=time.time()))


def trace_table(trace: Span, *, now: float) -> Table:
    """A span a row, indented by what it lies in; ``after`` counts from the beginning of all."""
    shown = table("what", "after", "took", "note")
    shown.columns[1].justify = shown.columns[2].justify = "right"
    for depth, span in _walked(trace):
        ended = now if span.ended is None else span.ended
        shown.add_row(
            Text("  " * depth + plain(span.name), "bold red" if span.failed else ""),
            _seconds(span.started - trace.started),
            _seconds(ended - span.started) + (" …" if span.ended is None else ""),
            plain(span.note),
        )
    return shown


def _walked(span: Span, depth: int = 0) -> Iterator[tuple[int, Span]]:
    yield depth, span
    for each in span.spans:
        yield from _walked(each, depth + 1)


def _seconds(seconds: float) -> str:
    """Clocks of two processes may differ by a moment."""
    return format_duration(max(0.0, seconds))
