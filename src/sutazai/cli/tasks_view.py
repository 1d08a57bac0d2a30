"""How tasks look: as a list, and one with all that is known of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from sutazai.cli.console import clock, plain, table
from sutazai.fleet.units import format_duration
from sutazai.fleet.work import Attempt, Task, WorkState

STYLES = {
    WorkState.WAITING: "dim",
    WorkState.PENDING: "dim",
    WorkState.RUNNING: "cyan",
    WorkState.DONE: "green",
    WorkState.FAILED: "bold red",
    WorkState.CANCELLED: "yellow",
    WorkState.EXPIRED: "red",
    WorkState.SHED: "red",
}
LINES_SHOWN = 20


def tasks_table(tasks: Sequence[Task], *, now: float) -> Table:
    """Tasks, one a row."""
    shown = table("task", "state", "for", "priority", "given", "took", "tries", "why")
    for task in tasks:
        shown.add_row(
            task.id,
            Text(task.state.value, STYLES[task.state]),
            target(task),
            task.priority or "",
            clock(task.created),
            took(task, now),
            str(task.attempt or ""),
            plain(task.reason),
        )
    return shown


def task_view(task: Task) -> Iterable[RenderableType]:
    """One task: how it stands and why, its attempts, the last lines, and its output."""
    yield Text.assemble(
        (task.id, "bold"), " ", (task.state.value, STYLES[task.state]), f" for {target(task)}"
    )
    for line in _facts(task):
        yield Text(f"  {plain(line)}")
    if task.attempts:
        yield _attempts(task.attempts)
    yield from _error(task.error or {})
    if task.output is not None:
        yield Text("output:", "bold")
        yield Text(_readable(task.output))


def target(task: Task) -> str:
    """Who it is for, and who got it."""
    if task.capability or task.group:
        asked = f"capability {task.capability}" if task.capability else f"group {task.group}"
        return f"{asked} ({task.agent})" if task.agent else asked
    return task.agent or ""


def took(task: Task, now: float) -> str:
    """How long it took or has taken; nothing where it has not begun."""
    if task.started is None:
        return ""
    return format_duration(max(0.0, (task.ended or now) - task.started))


def _facts(task: Task) -> Iterable[str]:
    if task.reason:
        yield task.reason
    if task.position is not None:
        yield f"number {task.position} in the queue"
    if task.not_before is not None and task.state is WorkState.WAITING:
        yield f"not before {clock(task.not_before)}"
    if task.expires is not None and task.state is WorkState.PENDING:
        yield f"expires {clock(task.expires)}"
    if task.depends_on:
        yield f"depends on {', '.join(task.depends_on)}"
    if task.executor:
        yield f"attempt {task.attempt}, given out by {task.executor}"


def _attempts(attempts: Sequence[Attempt]) -> Table:
    shown = table("attempt", "agent", "instance", "began", "took", "how it ended")
    for attempt in attempts:
        seconds = (attempt.ended or time.time()) - attempt.started
        shown.add_row(
            str(attempt.number),
            attempt.agent,
            attempt.instance or "",
            clock(attempt.started),
            format_duration(max(0.0, seconds)),
            plain(_ending(attempt)),
        )
    return shown


def _ending(attempt: Attempt) -> str:
    if attempt.error:
        return str(attempt.error.get("message", "it failed"))
    return "well" if attempt.ended else "it goes on"


def _error(error: dict[str, Any]) -> Iterable[Text]:
    lines = error.get("data", {}).get("lines") or []
    if lines:
        yield Text("its last lines:", "bold")
    for line in lines[-LINES_SHOWN:]:
        yield Text(f"    {plain(str(line))}")
    if error.get("hint"):
        yield Text(f"  → {plain(str(error['hint']))}")


def _readable(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
