"""Schedules: when they begin next, and holding them back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from html import escape
from urllib.parse import quote

from nicegui import ui

from sutazai.client import Control
from sutazai.fleet.scheduling import Schedule, ScheduleStatus
from sutazai.web.feed import Feed
from sutazai.web.look import pieces
from sutazai.web.look.acting import acts, attempt
from sutazai.web.look.page import page
from sutazai.web.look.words import clock


def install(feed: Feed, control: Control) -> None:
    """Adds the page."""

    @ui.page("/work/schedules")
    async def schedules() -> None:
        await feed.glance()
        with page("Schedules", "/work", feed) as updates:
            ui.html("<h1>Schedules</h1>", sanitize=False)
            shown = ui.html("", sanitize=False).classes("w-full panel")
        acts(shown, {verb: partial(_tell, control, verb) for verb in ("pause", "resume", "run")})

        async def found() -> str:
            told = await control.get("/schedules")
            return schedules_html([ScheduleStatus.model_validate(one) for one in told])

        updates.ask(shown, found)


async def _tell(control: Control, verb: str, name: str) -> None:
    await attempt(control.post(f"/schedules/{quote(name, safe='')}/{verb}"), f"{verb}: done")


def schedules_html(schedules: Sequence[ScheduleStatus]) -> str:
    """Each with its next time and what can be done with it."""
    rows = [
        (
            escape(one.name),
            f"<code>{escape(one.schedule.cron)}</code> {escape(one.schedule.timezone)}",
            escape(_work(one.schedule)),
            _next(one),
            escape(one.state.last),
            _buttons(one),
        )
        for one in schedules
    ]
    head = ("schedule", "when", "what", "begins next", "what came of it last", "do")
    return pieces.table(head, rows, empty="None is declared: see `schedules` of the fleet file.")


def _work(schedule: Schedule) -> str:
    if schedule.run is not None:
        return f"run {schedule.run.workflow}: {schedule.run.goal}".strip(": ")
    task = schedule.task
    return f"task for {task.agent or task.capability or task.group}" if task else ""


def _next(one: ScheduleStatus) -> str:
    if one.state.paused is not None:
        return pieces.word("paused", "warned")
    return escape(clock(one.next[0])) if one.next else pieces.word("not enabled", "asleep")


def _buttons(one: ScheduleStatus) -> str:
    held = pieces.button("pause", one.name, "Pause")
    if one.state.paused is not None:
        held = pieces.button("resume", one.name, "Resume")
    return f'<div class="does">{held}{pieces.button("run", one.name, "Run now")}</div>'
