"""Revisions: what was accepted, what lies between two of them, and going back to one."""

from __future__ import annotations

import json
from functools import partial
from html import escape
from typing import Any

from nicegui import ui

from sutazai.client import Control
from sutazai.fleet.revisions import Difference, Effect, FieldChange, FleetPlan, RevisionInfo
from sutazai.fleet.units import format_size
from sutazai.web.feed import Feed
from sutazai.web.look import pieces
from sutazai.web.look.acting import BY, acts, asked, attempt
from sutazai.web.look.page import page
from sutazai.web.look.words import clock

ACCEPTED_WITHIN = 60.0
"""Seconds that control has to compare two fleets and keep one."""
TONES = {
    Effect.ADDED: "well",
    Effect.REMOVED: "failed",
    Effect.MOVED: "warned",
    Effect.ADJUSTED: "busy",
}


def install(feed: Feed, control: Control) -> None:
    """Adds the pages."""

    @ui.page("/revisions")
    async def revisions() -> None:
        await feed.glance()
        with page("Revisions", "/revisions", feed) as updates:
            ui.html("<h1>Revisions</h1>", sanitize=False)
            shown = ui.html("", sanitize=False).classes("w-full")
            _comparison()
        acts(shown, {"restore": partial(_restore, control)})
        updates.ask(shown, partial(_history, control))

    @ui.page("/revisions/{before}/difference/{after}")
    async def difference(before: int, after: int) -> None:
        await feed.glance()
        with page("Difference", "/revisions", feed) as updates:
            ui.html(f"<h1>Revision {before} → {after}</h1>", sanitize=False)
            shown = ui.html("", sanitize=False).classes("w-full panel")

        async def found() -> str:
            told = await control.get(f"/revisions/{before}/difference/{after}")
            return difference_html(Difference.model_validate(told))

        updates.ask(shown, found)


def _comparison() -> None:
    """Two numbers, and the way to what lies between them."""
    with ui.element("div").classes("panel"):
        ui.html("<h2>Compare two</h2>", sanitize=False)
        with ui.row():
            before = ui.number("From revision", value=1, min=1, precision=0).props("outlined dense")
            after = ui.number("To revision", value=1, min=1, precision=0).props("outlined dense")

            def show() -> None:
                ui.navigate.to(
                    f"/revisions/{int(before.value or 1)}/difference/{int(after.value or 1)}"
                )

            ui.button("Compare", on_click=show).props("outline no-caps color=primary")


async def _history(control: Control) -> str:
    told: list[dict[str, Any]] = await control.get("/revisions")
    return pieces.panel("History", history_html([RevisionInfo.model_validate(one) for one in told]))


async def _restore(control: Control, number: str) -> None:
    """Shows what would be done, and does it once a person has seen that."""
    path, asks = f"/revisions/{number}/restore", {"author": BY, "dry_run": True}
    told = await attempt(control.post(path, asks, within=ACCEPTED_WITHIN))
    if told is None:
        return
    plan = FleetPlan.model_validate(told)
    reason = await asked(f"Restore revision {number}?", plan_html(plan), "Restore", field="Why")
    if reason is not None:
        wanted = {"author": BY, "reason": reason}
        await attempt(control.post(path, wanted, within=ACCEPTED_WITHIN), "accepted")


def history_html(revisions: list[RevisionInfo]) -> str:
    """Revisions, newest first, each with the way to what it changed and back to it."""
    newest = revisions[0].number if revisions else 0
    rows = [
        (
            str(one.number),
            escape(clock(one.at)),
            escape(one.author),
            escape(one.reason),
            _changes(one.number),
            pieces.button("restore", str(one.number), "Restore")
            if one.number != newest
            else "in force",
        )
        for one in revisions
    ]
    head = ("revision", "accepted", "by", "why", "changes", "go back")
    return pieces.table(head, rows, empty="None was accepted yet.")


def _changes(number: int) -> str:
    if number == 1:
        return ""
    return f'<a href="/revisions/{number - 1}/difference/{number}">{number - 1} → {number}</a>'


def difference_html(difference: Difference) -> str:
    """What lies between two: a row for each unit, and for each setting."""
    rows = [
        (
            f"{unit.kind} {escape(unit.name)}",
            pieces.word(unit.effect, TONES[unit.effect]),
            "<br>".join(map(_field, unit.fields)),
        )
        for unit in difference.units
    ]
    rows += [("the fleet", "", _field(field)) for field in difference.settings]
    return pieces.table(("what", "becomes", "values"), rows, empty="Both declare the same.")


def plan_html(plan: FleetPlan) -> str:
    """What accepting a fleet would do."""
    if plan.rollout is None:
        how = "It is done at once."
    else:
        how = (
            f"Rollout {plan.rollout} moves {len(plan.difference.moved)} agents; new instances "
            f"reserve {format_size(plan.beside)} beside the old ones at most."
        )
    return f"<p>It would be revision {plan.revision}. {how}</p>{difference_html(plan.difference)}"


def _field(change: FieldChange) -> str:
    if change.path == "code":
        return "its code"
    before, after = _value(change.before), _value(change.after)
    return f"{escape(change.path)}: <del>{before}</del> → <ins>{after}</ins>"


def _value(value: Any) -> str:
    return escape(json.dumps(value, ensure_ascii=False))
