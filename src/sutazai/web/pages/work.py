"""Tasks and workflow runs: what is under way, what waits for a person, what came of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from html import escape

from nicegui import ui

from sutazai.client import Control
from sutazai.fleet.work import Run, Task
from sutazai.web.feed import Feed
from sutazai.web.look import pieces
from sutazai.web.look.acting import acts
from sutazai.web.look.page import page
from sutazai.web.look.words import WORK, clock, took
from sutazai.web.pages.approvals import answers, approvals_html

SHOWN = 50
FURTHER = '<p><a href="/work/schedules">Schedules</a> · <a href="/work/dead">Dead letters</a></p>'


def install(feed: Feed, control: Control) -> None:
    """Adds the page."""

    @ui.page("/work")
    async def work() -> None:
        await feed.glance()
        with page("Work", "/work", feed) as updates:
            ui.html(f"<h1>Work</h1>{FURTHER}", sanitize=False)
            waiting = ui.html("", sanitize=False).classes("w-full")
            shown = ui.html("", sanitize=False).classes("w-full")
        acts(waiting, answers(control))
        updates.ask_all((waiting, shown), partial(_asked, control))


async def _asked(control: Control) -> tuple[str, str]:
    runs = [Run.model_validate(each) for each in await control.get("/runs", limit=SHOWN)]
    tasks = [Task.model_validate(each) for each in await control.get("/tasks", limit=SHOWN)]
    return approvals_html(runs), work_html(runs, tasks)


def work_html(runs: Sequence[Run], tasks: Sequence[Task]) -> str:
    """Runs and tasks, the newest first."""
    return (
        f'<div class="grid">{pieces.panel("Runs", _runs(runs))}'
        f"{pieces.panel('Tasks', _tasks(tasks))}</div>"
    )


def _runs(runs: Sequence[Run]) -> str:
    rows = [
        (
            pieces.run_link(run.id),
            pieces.word(run.state, WORK[run.state]),
            escape(run.goal or f"{len(run.backlog)} backlog items"),
            escape(clock(run.created)),
            took(run.created, run.ended),
        )
        for run in runs
    ]
    head = ("run", "state", "goal", "started", "took")
    return pieces.table(head, rows, empty="No run yet: `sutazai run` starts one.")


def _tasks(tasks: Sequence[Task]) -> str:
    rows = [
        (
            escape(task.id),
            pieces.word(task.state, WORK[task.state]),
            pieces.task_doer(task),
            escape(clock(task.created)),
            took(task.started or task.created, task.ended),
            escape((task.error or {}).get("message", "")),
        )
        for task in tasks
    ]
    head = ("task", "state", "agent", "submitted", "took", "error")
    return pieces.table(head, rows, empty="No task was submitted yet.")
