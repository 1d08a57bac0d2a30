"""One run of a workflow: its steps as they go, what it waits for, and what it wrote."""

from __future__ import annotations

from contextlib import aclosing
from functools import partial
from html import escape
from urllib.parse import quote

from nicegui import ui

from sutazai.client import Control
from sutazai.fleet.work import Artifact, Run, StepStatus
from sutazai.web.feed import Feed
from sutazai.web.look import pieces
from sutazai.web.look.acting import acts, asked, attempt, told
from sutazai.web.look.flow import flow
from sutazai.web.look.page import page
from sutazai.web.look.words import WORK, took
from sutazai.web.pages.approvals import answers, approvals_html

READ = 100_000
"""Bytes of a file that are shown; whoever wants more downloads it."""


def install(feed: Feed, control: Control) -> None:
    """Adds the page."""

    @ui.page("/work/runs/{run_id}")
    async def run(run_id: str) -> None:
        await feed.glance()
        with page(run_id, "/work", feed) as updates:
            ui.html(f"<h1>Run {escape(run_id)}</h1>", sanitize=False)
            head = ui.html("", sanitize=False).classes("w-full").props('aria-live="polite"')
            buttons = ui.html("", sanitize=False).classes("w-full")
            steps = ui.html("", sanitize=False).classes("w-full")
            files = ui.html("", sanitize=False).classes("w-full")
        acts(buttons, {"cancel": partial(_cancel, control), **answers(control)})
        acts(files, {"read": partial(_read, control, run_id)})

        async def found() -> tuple[str, str, str, str]:
            one = Run.model_validate(await control.get(f"/runs/{quote(run_id, safe='')}"))
            return head_html(one), buttons_html(one), steps_html(one), files_html(one)

        updates.ask_all((head, buttons, steps, files), found)


async def _cancel(control: Control, run_id: str) -> None:
    said = "<p>What it wrote stays.</p>"
    if await asked(f"Cancel {run_id}?", said, "Cancel the run") is not None:
        await attempt(control.post(f"/runs/{quote(run_id, safe='')}/cancel"), "cancelled")


async def _read(control: Control, run_id: str, name: str) -> None:
    text = await attempt(_text(control, run_id, name))
    if text is not None:
        await told(name, f'<pre class="log" tabindex="0">{escape(text)}</pre>')


async def _text(control: Control, run_id: str, name: str) -> str:
    """The beginning of a file that a run wrote."""
    body = b""
    path = f"/runs/{quote(run_id, safe='')}/artifacts/{quote(name)}"
    async with aclosing(control.pieces(path)) as coming:
        async for piece in coming:
            body += piece
            if len(body) > READ:
                rest = f"\n… (the first {READ} bytes; download it to see all)"
                return body[:READ].decode("utf-8", "replace") + rest
    return body.decode("utf-8", "replace")


def head_html(run: Run) -> str:
    """What it is about, and what came of it."""
    notes = "".join(f"<li>{escape(note)}</li>" for note in run.notes)
    error = escape((run.error or {}).get("message", ""))
    return (
        f'<div class="panel"><p>{pieces.word(run.state, WORK[run.state])} {escape(run.goal)}</p>'
        f"<p>{error}</p><ul>{notes}</ul></div>"
    )


def buttons_html(run: Run) -> str:
    """What it waits for, and its end."""
    if not run.state.is_open:
        return ""
    cancel = f'<div class="does">{pieces.button("cancel", run.id, "Cancel")}</div>'
    return f"{approvals_html([run])}{cancel}"


def steps_html(run: Run) -> str:
    """Its steps, as a graph and as a table."""
    head = ("step", "state", "who", "works on", "attempts", "took", "said")
    shown = pieces.table(head, [_step(step) for step in run.steps], empty="None yet.")
    return pieces.panel("Steps", f"{flow(run.steps)}<br>{shown}")


def _step(step: StepStatus) -> tuple[str, ...]:
    said = (step.error or {}).get("message", "")
    if (decision := step.decision) is not None:
        said = f"{'approved' if decision.approved else 'rejected'} {decision.comment}"
    return (
        escape(step.name),
        pieces.word(step.state, WORK[step.state]),
        _who(step.agent),
        escape(step.item),
        str(step.attempts),
        took(step.started, step.ended),
        escape(said),
    )


def files_html(run: Run) -> str:
    """The files that it wrote, to be read and downloaded."""
    rows = [_file(run.id, one) for one in run.artifacts]
    head = ("file", "bytes", "SHA-256", "read")
    shown = pieces.table(head, rows, numbers=(1,), empty="Nothing yet.")
    return pieces.panel("What it wrote", shown)


def _file(run_id: str, one: Artifact) -> tuple[str, ...]:
    path = f"/work/runs/{quote(run_id, safe='')}/artifacts/{quote(one.name)}"
    return (
        f'<a href="{path}" download>{escape(one.name)}</a>',
        str(one.size),
        f"<code>{escape(one.sha256[:12])}</code>",
        pieces.button("read", one.name, "Read"),
    )


def _who(name: str) -> str:
    """Who does a step: an agent, or in words `a person` and `any with …`."""
    return escape(name) if " " in name else pieces.agent_link(name)
