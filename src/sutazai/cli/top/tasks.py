"""Durable work: what waits for a person, what is under way, what came of the rest. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from sutazai.cli.console import plain, table
from sutazai.cli.run_view import how_to_answer, runs_table
from sutazai.cli.tasks_view import STYLES, target, took
from sutazai.cli.top.tables import narrowed
from sutazai.fleet.work import Run, Task, WorkState


@dataclass(frozen=True, kw_only=True)
class Work:
    """Tasks that have not ended are all in ``open``, up to a bound; ``ended`` are the last."""

    open: Sequence[Task]
    ended: Sequence[Task]
    runs: Sequence[Run]


def tasks_parts(work: Work, width: int, *, now: float) -> Iterator[RenderableType]:
    """Everything, however long it is."""
    yield from _questions(work.runs)
    states = Counter(task.state for task in work.open)
    counted = ", ".join(f"{count} {state}" for state, count in states.items())
    yield Text(f"tasks: {counted or 'none is under way'}", "bold")
    if tasks := (*work.open, *work.ended):
        yield narrowed(_tasks(tasks, now), width)
    if work.runs:
        yield ""
        yield narrowed(runs_table(work.runs), width)


def _questions(runs: Sequence[Run]) -> Iterator[RenderableType]:
    """What runs ask people."""
    asked = [
        how_to_answer(run, step)
        for run in runs
        if run.state.is_open
        for step in run.steps
        if step.state is WorkState.WAITING
    ]
    if asked:
        yield from asked
        yield ""


def _tasks(tasks: Sequence[Task], now: float) -> Table:
    shown = table("task", "state", "for", "took", "why")
    for task in tasks:
        state = Text(task.state.value, STYLES[task.state])
        shown.add_row(task.id, state, target(task), took(task, now), plain(task.reason))
    return shown
