"""Tasks and workflow runs: what is under way, what waits for a person, what came of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from html import escape

from nicegui import ui

from sutazai.client import Control
from sutazai.fleet.work import Run, Task, WorkState
from sutazai.web.feed import Feed
from sutazai.web.look import pieces
from sutazai.web.look.acting import acts
from sutazai.web.look.page import Updates, page
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
            runs = ui.html("", sanitize=False).classes("w-full")
            _listed(control, updates)
        acts(waiting, answers(control))
        updates.ask_all((waiting, runs), partial(_runs, control))


def _listed(control: Control, updates: Updates) -> None:
    """The newest tasks of those that are wanted."""
    with ui.element("div").classes("panel"):
        ui.html("<h2>Tasks</h2>", sanitize=False)
        with ui.element("div").classes("does"):
            agent = ui.input("Only of agent").props("outlined dense")
            state = ui.select(["", *map(str, WorkState)], label="Only in state", value="")
            state.props("outlined dense options-dense").classes("choice")
        shown = ui.html("", sanitize=False)

    async def found() -> str:
        wanted = {"agent": agent.value or None, "state": state.value or None}
        told = await control.get("/tasks", limit=SHOWN, **wanted)
        return tasks_html([Task.model_validate(each) for each in told])

    updates.ask(shown, found)


async def _runs(control: Control) -> tuple[str, str]:
    runs = [Run.model_validate(each) for each in await control.get("/runs", limit=SHOWN)]
    return approvals_html(runs), pieces.panel("Runs", runs_html(runs))


def runs_html(runs: Sequence[Run]) -> str:
    """Runs, the newest first."""
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


def tasks_html(tasks: Sequence[Task]) -> str:
    """Tasks, the newest first."""
    rows = [
        (
            pieces.task_link(task.id),
            pieces.word(task.state, WORK[task.state]),
            pieces.task_doer(task),
            escape(clock(task.created)),
            took(task.started or task.created, task.ended),
            escape((task.error or {}).get("message", "")),
        )
        for task in tasks
    ]
    head = ("task", "state", "agent", "submitted", "took", "error")
    return pieces.table(head, rows, empty="There is none.")
