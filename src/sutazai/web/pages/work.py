"""Tasks and workflow runs: what is under way, what came of the rest."""

from __future__ import annotations

from html import escape
from typing import Any
from urllib.parse import quote

from nicegui import ui

from sutazai.client import Control
from sutazai.fleet.units import format_duration
from sutazai.web.feed import Feed
from sutazai.web.look import pieces
from sutazai.web.look.page import page
from sutazai.web.look.words import clock

SHOWN = 50
COLOURS = {"done": "well", "failed": "failed", "running": "busy"}


def install(feed: Feed, control: Control) -> None:
    """Adds the pages."""

    @ui.page("/work")
    async def work() -> None:
        await feed.look()
        with page("Work", "/work", feed) as updates:
            ui.html("<h1>Work</h1>", sanitize=False)
            shown = ui.html("", sanitize=False).classes("w-full")

        async def asked() -> str:
            runs = await control.get("/runs", limit=SHOWN)
            return work_html(runs, await control.get("/tasks", limit=SHOWN))

        updates.ask(shown, asked)

    @ui.page("/work/runs/{run_id}")
    async def run(run_id: str) -> None:
        await feed.look()
        with page(run_id, "/work", feed) as updates:
            ui.html(f"<h1>Run {escape(run_id)}</h1>", sanitize=False)
            shown = ui.html("", sanitize=False).classes("w-full")

        async def asked() -> str:
            return run_html(await control.get(f"/runs/{quote(run_id)}"))

        updates.ask(shown, asked)


def work_html(runs: list[dict[str, Any]], tasks: list[dict[str, Any]]) -> str:
    """Runs and tasks, the newest first."""
    run_rows = [
        (
            f'<a href="/work/runs/{quote(run["id"])}">{escape(run["id"])}</a>',
            _state(run["state"]),
            escape(run["goal"] or f"{len(run['backlog'])} backlog items"),
            escape(clock(run["created"])),
            _took(run["created"], run["ended"]),
        )
        for run in runs
    ]
    task_rows = [
        (
            escape(task["id"]),
            _state(task["state"]),
            pieces.agent_link(str(task["agent"])),
            escape(clock(task["created"])),
            _took(task["started"] or task["created"], task["ended"]),
            escape((task["error"] or {}).get("message", "")),
        )
        for task in tasks
    ]
    head = ("run", "state", "goal", "started", "took")
    task_head = ("task", "state", "agent", "submitted", "took", "error")
    return (
        '<div class="grid"><div class="panel"><h2>Runs</h2>'
        f"{pieces.table(head, run_rows, empty='No run yet: `sutazai run` starts one.')}</div>"
        '<div class="panel"><h2>Tasks</h2>'
        f"{pieces.table(task_head, task_rows, empty='No task was submitted yet.')}</div></div>"
    )


def run_html(run: dict[str, Any]) -> str:
    """One run: its steps and what it wrote."""
    steps = [
        (
            escape(step["name"]),
            _state(step["state"]),
            _who(step["agent"]),
            escape(step["item"]),
            str(step["attempts"]),
            _took(step["started"], step["ended"]),
            escape((step["error"] or {}).get("message", "")),
        )
        for step in run["steps"]
    ]
    files = [
        (escape(one["name"]), str(one["size"]), f"<code>{escape(one['sha256'][:12])}</code>")
        for one in run["artifacts"]
    ]
    notes = "".join(f"<li>{escape(note)}</li>" for note in run["notes"])
    error = (run["error"] or {}).get("message", "")
    head = ("step", "state", "agent", "item", "attempts", "took", "error")
    return (
        f'<div class="grid"><div class="panel"><p>{_state(run["state"])} {escape(run["goal"])}</p>'
        f"<p>{escape(error)}</p><ul>{notes}</ul></div>"
        f'<div class="panel"><h2>Steps</h2>{pieces.table(head, steps, empty="None yet.")}</div>'
        '<div class="panel"><h2>What it wrote</h2>'
        f"{pieces.table(('file', 'bytes', 'SHA-256'), files, numbers=(1,), empty='Nothing yet.')}"
        "</div></div>"
    )


def _state(state: str) -> str:
    return f'<span class="state {COLOURS.get(state, "asleep")}">{escape(state)}</span>'


def _who(name: str) -> str:
    """Who does a step: an agent, or in words `a person` and `any with …`."""
    return escape(name) if " " in name else pieces.agent_link(name)


def _took(began: float | None, ended: float | None) -> str:
    return format_duration(ended - began) if began is not None and ended is not None else ""
