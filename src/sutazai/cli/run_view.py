"""How a run of a workflow looks: live on a terminal, line by line elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from sutazai.cli.console import clock, plain, table
from sutazai.fleet.units import format_duration, format_size
from sutazai.fleet.work import Run, StepStatus, WorkState

MARKS = {
    WorkState.PENDING: ("·", "dim"),
    WorkState.WAITING: ("?", "bold yellow"),
    WorkState.RUNNING: ("▶", "cyan"),
    WorkState.DONE: ("✓", "green"),
    WorkState.FAILED: ("✗", "bold red"),
    WorkState.CANCELLED: ("-", "yellow"),
}
ENDED = frozenset({WorkState.DONE, WorkState.FAILED, WorkState.CANCELLED})
ITEM_WIDTH = 60


def run_view(run: Run, *, now: float) -> RenderableType:
    """The whole run: its steps with state, agent and time."""
    shown = table("", "step", "agent", "time", "item")
    shown.columns[3].justify = "right"
    for step in run.steps:
        mark, style = MARKS[step.state]
        shown.add_row(
            Text(mark, style), step.name, step.agent, step_time(step, now=now), plain(step.item)
        )
    head = Text.assemble(("run ", "bold"), run.id, " ", plain(run.goal))
    head.truncate(100, overflow="ellipsis")
    waiting = [step for step in run.steps if step.state is WorkState.WAITING]
    return Group(head, shown, *(how_to_answer(run, step) for step in waiting))


def step_time(step: StepStatus, *, now: float) -> str:
    """How long the step took or has taken, with its attempts where there were several."""
    if step.started is None:
        return ""
    spent = format_duration(max(0.0, (step.ended or now) - step.started))
    return spent if step.attempts < 2 else f"{spent}, attempt {step.attempts}"


class StepLines:
    """One line for each change of a step, for where nothing can be redrawn."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[WorkState, int]] = {}

    def changes(self, run: Run, *, now: float) -> list[Text]:
        """Lines for what changed since the last call."""
        lines = []
        for step in run.steps:
            known = (step.state, step.attempts)
            if step.state is not WorkState.PENDING and self._seen.get(step.name) != known:
                asks = step.state is WorkState.WAITING
                lines.append(how_to_answer(run, step) if asks else _step_line(step, now=now))
            self._seen[step.name] = known
        return lines


def print_outcome(run: Run, screen: Console, folder: Path) -> None:
    """How the run ended: what went wrong, notes, and where its artifacts are.

    Args:
        folder: folder of the run's artifacts.
    """
    for note in run.notes:
        screen.print(Text.assemble(("note: ", "yellow"), plain(note)), soft_wrap=True)
    for step in run.steps:
        if step.error:
            screen.print(_step_error(step), soft_wrap=True)
    if run.error:
        screen.print(Text.assemble(("error: ", "bold red"), _message(run.error)), soft_wrap=True)
    if run.artifacts:
        screen.print(Text("artifacts:", "bold"))
    for artifact in sorted(run.artifacts, key=lambda artifact: artifact.path):
        line = f"  {folder / artifact.path}  ({format_size(artifact.size)})"
        screen.print(Text(line), soft_wrap=True)
    spent = f" after {format_duration(run.ended - run.created)}" if run.ended else ""
    _, style = MARKS[run.state]
    screen.print(Text.assemble(f"run {run.id} ", (run.state.value, style), spent), soft_wrap=True)


def runs_table(runs: Sequence[Run]) -> Table:
    """Runs, one a row."""
    shown = table("run", "state", "started", "steps", "files", "goal")
    for run in runs:
        done = sum(step.state is WorkState.DONE for step in run.steps)
        shown.add_row(
            run.id,
            Text(run.state.value, MARKS[run.state][1]),
            clock(run.created),
            f"{done}/{len(run.steps)}",
            str(len(run.artifacts)),
            plain(run.goal),
        )
    return shown


def how_to_answer(run: Run, step: StepStatus) -> Text:
    """What a step asks, and by which commands it is answered."""
    name = step.name.partition("#")[0]
    commands = f"sutazai runs approve {run.id} {name}, or reject"
    return Text.assemble(
        (f"{name} waits for you: ", "bold yellow"), plain(step.item), f" → {commands}"
    )


def _step_line(step: StepStatus, *, now: float) -> Text:
    mark, style = MARKS[step.state]
    item = f": {plain(_short(step.item))}" if step.item else ""
    spent = (
        "" if step.state is WorkState.RUNNING and step.attempts < 2 else step_time(step, now=now)
    )
    return Text.assemble((mark, style), f" {step.name} ({step.agent}) {step.state}{item} {spent}")


def _step_error(step: StepStatus) -> Text:
    return Text.assemble((f"{step.name}: ", "bold red"), _message(step.error or {}))


def _message(error: dict[str, object]) -> str:
    hint = f" → {error['hint']}" if error.get("hint") else ""
    return plain(f"{error.get('message', 'unknown error')}{hint}")


def _short(text: str) -> str:
    return text if len(text) <= ITEM_WIDTH else f"{text[: ITEM_WIDTH - 1]}…"
