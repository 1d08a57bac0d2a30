"""Pieces of HTML that several pages show. Pure; every text from outside is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any
from urllib.parse import quote

from sutazai.fleet.status import Event, State
from sutazai.fleet.work import Task
from sutazai.web.look.words import clock, colour, readable

LONG = 1_000
"""Characters from which a value is folded."""
MOST = 100_000
"""Characters of a value that are shown."""


def figure(value: str, what: str, *, meter: float | None = None, tone: str = "") -> str:
    """One large figure; ``meter`` from 0 to 1 draws how much of something is in use."""
    return (
        f'<div class="panel figure"><div class="value">{escape(value)}</div>'
        f'<div class="what">{escape(what)}</div>{gauge(meter, what, tone)}</div>'
    )


def state(name: State | str) -> str:
    """A state as a coloured word."""
    return word(str(name), colour(name))


def word(text: str, tone: str) -> str:
    """Any other word in the colour of a class of the style sheet."""
    return f'<span class="state {tone}">{escape(text)}</span>'


def button(do: str, on: str, text: str) -> str:
    """A button that does ``do`` to what is named ``on`` (``acting.acts``)."""
    return (
        f'<button type="button" class="do" data-do="{escape(do)}" data-on="{escape(on)}" '
        f'aria-label="{escape(f"{text} {on}".strip())}">{escape(text)}</button>'
    )


def panel(title: str, body: str) -> str:
    """A part of a page under its heading; ``body`` is HTML."""
    return f'<div class="panel"><h2>{escape(title)}</h2>{body}</div>'


def agent_link(name: str) -> str:
    """The way to an agent's page."""
    return f'<a href="/agents/{quote(name)}">{escape(name)}</a>'


def run_link(run_id: str) -> str:
    """The way to a run's page."""
    return f'<a href="/work/runs/{quote(run_id, safe="")}">{escape(run_id)}</a>'


def task_link(task_id: str) -> str:
    """The way to a task's page."""
    return f'<a href="/tasks/{quote(task_id, safe="")}">{escape(task_id)}</a>'


def task_doer(task: Task) -> str:
    """Who does a task, or may do it."""
    return agent_link(task.agent) if task.agent else escape(task.capability or task.group or "")


def value(shown: Any, name: str) -> str:
    """A text or any JSON value, folded under its ``name`` where it is long."""
    text = readable(shown)
    cut = "" if len(text) <= MOST else f"\n… (the first {MOST:,} of {len(text):,} characters)"
    body = lines(text[:MOST] + cut, name)
    if len(text) <= LONG:
        return body
    return f"<details><summary>{escape(name)}, {len(text):,} characters</summary>{body}</details>"


def lines(text: str, name: str) -> str:
    """What an agent wrote, as it wrote it."""
    region = f'tabindex="0" role="region" aria-label="{escape(name)}"'
    return f'<pre class="log" {region}>{escape(text)}</pre>'


def events(shown: Iterable[Event]) -> str:
    """Events as a table, in the order given."""
    rows = [
        (escape(clock(one.at)), agent_link(one.unit) if one.unit else "", escape(one.message))
        for one in shown
    ]
    return table(("time", "unit", "what happened"), rows, empty="Nothing has happened yet.")


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numbers: Sequence[int] = (),
    empty: str,
) -> str:
    """A table; ``rows`` are HTML already, ``numbers`` the columns to be set to the right."""
    if not rows:
        return f'<p class="faint">{escape(empty)}</p>'
    marks = [' class="number"' if column in numbers else "" for column in range(len(head))]
    top = "".join(
        f'<th scope="col"{mark}>{escape(text)}</th>' for text, mark in zip(head, marks, strict=True)
    )
    body = "".join(_row(cells, marks) for cells in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(head[0])} and more">'
        f'<table class="plain"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _row(cells: Sequence[str], marks: Sequence[str]) -> str:
    shown = "".join(f"<td{mark}>{cell}</td>" for cell, mark in zip(cells, marks, strict=True))
    return f"<tr>{shown}</tr>"


def gauge(part: float | None, what: str, tone: str = "") -> str:
    """How much of something is in use, ``part`` from 0 to 1; nothing for None."""
    if part is None:
        return ""
    percent = round(100 * min(1.0, max(0.0, part)))
    return (
        f'<div class="meter {tone}" role="meter" aria-label="{escape(what)}" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{percent}">'
        f'<span style="width:{percent}%"></span></div>'
    )
