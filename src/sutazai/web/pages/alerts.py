"""Alerts: what is wrong and who looks after it, silences, and what is left of error budgets."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from html import escape
from urllib.parse import quote

from nicegui import ui

from sutazai.client import Control
from sutazai.fleet.alert_status import (
    Alert,
    AlertRuleStatus,
    AlertState,
    ObjectiveStatus,
    Silence,
    Waiting,
)
from sutazai.fleet.errors import BadInput
from sutazai.fleet.units import format_duration, parse_duration
from sutazai.web.feed import Feed
from sutazai.web.look import pieces
from sutazai.web.look.acting import BY, acts, asked, attempt
from sutazai.web.look.page import page
from sutazai.web.look.words import SEVERITIES, clock

LASTING = "1h"
SELDOM = 5
"""Of how many updates one asks for what changes slowly."""
STATES = {AlertState.FIRING: "failed", AlertState.PENDING: "warned", AlertState.RESOLVED: "well"}


def install(feed: Feed, control: Control) -> None:
    """Adds the page."""

    @ui.page("/alerts")
    async def alerts() -> None:
        await feed.glance()
        with page("Alerts", "/alerts", feed) as updates:
            ui.html("<h1>Alerts</h1>", sanitize=False)
            shown = ui.html("", sanitize=False).classes("w-full")
            with ui.element("div").classes("panel"):
                ui.html("<h2>Silences</h2>", sanitize=False)
                silences = ui.html("", sanitize=False)
                _adding(control)
            levels = ui.html("", sanitize=False).classes("w-full")
            rules = ui.html("", sanitize=False).classes("w-full")
        acts(shown, {"ack": partial(_acknowledge, control), "silence": partial(_silence, control)})
        acts(silences, {"end": partial(_end, control)})
        updates.ask(shown, partial(_alerts, control))
        updates.ask(silences, partial(_silences, control))
        updates.ask_all((levels, rules), partial(_rest, control), every=SELDOM)


async def _alerts(control: Control) -> str:
    found = [Alert.model_validate(each) for each in await control.get("/alerts")]
    return alerts_html(found)


async def _silences(control: Control) -> str:
    return silences_html([Silence.model_validate(one) for one in await control.get("/silences")])


async def _rest(control: Control) -> tuple[str, str]:
    owed = [ObjectiveStatus.model_validate(one) for one in await control.get("/alerts/objectives")]
    rules = [AlertRuleStatus.model_validate(one) for one in await control.get("/alerts/rules")]
    sent = [Waiting.model_validate(one) for one in await control.get("/alerts/notifications")]
    levels = (
        f'<div class="grid">{pieces.panel("Service levels", objectives_html(owed))}'
        f"{pieces.panel('Notifications that nobody has taken yet', _waiting(sent))}</div>"
    )
    count = f"<summary>{len(rules)} rules are watched</summary>"
    return levels, f'<details class="panel">{count}{rules_html(rules)}</details>'


async def _acknowledge(control: Control, name: str) -> None:
    said = "<p>You look after it: it is not escalated any further.</p>"
    note = await asked(f"Acknowledge {name}?", said, "Acknowledge", field="What you found, or do")
    if note is not None:
        word = {"by": BY, "note": note}
        await attempt(control.post(f"/alerts/{quote(name, safe='')}/ack", word), "acknowledged")


async def _silence(control: Control, rule: str) -> None:
    said = f"<p>Nobody hears of it for {LASTING}. Below, any labels can be silenced.</p>"
    why = await asked(f"Silence {rule}?", said, "Silence", field="Why")
    if why is not None:
        await attempt(_silenced(control, f"alert={rule}", LASTING, why), "silenced")


async def _end(control: Control, name: str) -> None:
    await attempt(control.delete(f"/silences/{quote(name, safe='')}"), "ended")


async def _silenced(control: Control, labels: str, lasting: str, why: str) -> None:
    """Adds a silence, from what was typed. Raises BadInput and whatever control refuses."""
    until = time.time() + _seconds(lasting)
    wanted = {"matchers": matchers_of(labels), "until": until, "by": BY, "why": why}
    await control.post("/silences", wanted)


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise BadInput(f"{text!r} is no time: {error}", hint="as 30m, or 2h") from error


def matchers_of(text: str) -> dict[str, str]:
    """Labels and their values, from ``alert=llm-down agent=planner``. Raises BadInput."""
    pairs = [each.partition("=") for each in text.split()]
    if not pairs or not all(name and value for name, _, value in pairs):
        raise BadInput(
            "which labels are silenced?", hint="as alert=queue-long, or agent=planner severity=info"
        )
    return {name: value for name, _, value in pairs}


def _adding(control: Control) -> None:
    """A form for a silence."""
    with ui.element("div").classes("does"):
        labels = ui.input("Labels", placeholder="alert=queue-long").props("outlined dense")
        lasting = ui.input("For how long", value=LASTING).props("outlined dense")
        why = ui.input("Why").props("outlined dense maxlength=500")

        async def add() -> None:
            wanted = (labels.value or "", lasting.value or "", why.value or "")
            await attempt(_silenced(control, *wanted), "silenced")

        ui.button("Add a silence", on_click=add).props("outline no-caps color=primary")


def alerts_html(alerts: Sequence[Alert]) -> str:
    """What fires and what is about to, the cause first; and what ended of late."""
    rows = {state: [_row(one) for one in alerts if one.state is state] for state in AlertState}
    head = ("severity", "alert", "what", "since", "who", "what to do")
    open_ = [*rows[AlertState.FIRING], *rows[AlertState.PENDING]]
    ended = rows[AlertState.RESOLVED]
    shown = pieces.table(head, open_, empty="Nothing is wrong.")
    over = pieces.table(head, ended, empty="Nothing ended of late.")
    late = f'<details class="panel"><summary>{len(ended)} ended of late</summary>{over}</details>'
    return f'<div class="grid">{pieces.panel("What is wrong", shown)}{late}</div>'


def _row(alert: Alert) -> tuple[str, ...]:
    name = f"{escape(alert.rule)}<br>{pieces.word(alert.state, STATES[alert.state])}"
    what = f"{escape(alert.summary)}{_series(alert)}<br>"
    return (
        pieces.word(alert.severity, SEVERITIES[alert.severity]),
        name,
        f'{what}<span class="faint">{escape(alert.hint)}</span>',
        escape(clock(alert.since)),
        escape(_who(alert)),
        "" if alert.state is AlertState.RESOLVED else _buttons(alert),
    )


def _buttons(alert: Alert) -> str:
    ack = "" if alert.acknowledged else pieces.button("ack", alert.id, "Acknowledge")
    return f'<div class="does">{ack}{pieces.button("silence", alert.rule, "Silence")}</div>'


def _series(alert: Alert) -> str:
    """Of which series it is, where it is of several."""
    if len(alert.series) < 2:
        return ""
    told = (
        f"<li>{escape(', '.join(f'{name}={value}' for name, value in one.labels.items()))}</li>"
        for one in alert.series
    )
    return f"<details><summary>{alert.count} series</summary><ul>{''.join(told)}</ul></details>"


def _who(alert: Alert) -> str:
    if alert.muted:
        return alert.muted
    word = alert.acknowledged
    if word is None:
        return f"told {alert.level + 1} times" if alert.level > 0 else "nobody yet"
    return f"{word.by or 'somebody'}{': ' + word.note if word.note else ''}"


def silences_html(silences: Sequence[Silence]) -> str:
    """Silences that have not run out."""
    rows = [
        (
            escape(", ".join(f"{name}={value}" for name, value in one.matchers.items())),
            escape(clock(one.until)),
            escape(one.by),
            escape(one.why),
            pieces.button("end", one.id, "End"),
        )
        for one in silences
    ]
    head = ("matches", "until", "by", "why", "hear again")
    return pieces.table(head, rows, empty="Nothing is silenced.")


def objectives_html(objectives: Sequence[ObjectiveStatus]) -> str:
    """Service levels, with what is left of their error budgets."""
    rows = [
        (
            f'{escape(one.name)}<br><span class="faint">{escape(one.description)}</span>',
            f"{one.target * 100:.6g} %",
            f"{one.good * 100:.6g} %",
            _budget(one),
            format_duration(one.window),
            escape(", ".join(f"{name} {rate:.2g}" for name, rate in one.burns.items())),
        )
        for one in objectives
    ]
    head = ("service level", "owed", "good", "error budget left", "over", "burns times too fast")
    return pieces.table(head, rows, numbers=(1, 2), empty="None is declared.")


def _budget(objective: ObjectiveStatus) -> str:
    left = objective.budget_left
    drawn = pieces.gauge(
        left, f"error budget left of {objective.name}", "bad" if left < 0.1 else ""
    )
    return f"{left * 100:.3g} %{drawn}"


def rules_html(rules: Sequence[AlertRuleStatus]) -> str:
    """Rules, with how many series each one sees."""
    rows = [
        (
            escape(one.name),
            pieces.word(one.severity, SEVERITIES[one.severity]),
            escape(one.condition),
            str(one.seen),
            escape(", ".join(one.suppresses)),
        )
        for one in rules
    ]
    head = ("rule", "severity", "when", "series", "explains")
    return pieces.table(head, rows, numbers=(3,), empty="None is declared.")


def _waiting(letters: Sequence[Waiting]) -> str:
    rows = [
        (
            escape(one.target),
            escape(one.title),
            escape(clock(one.written)),
            str(one.tries),
            escape(clock(one.again)),
        )
        for one in letters
    ]
    head = ("target", "notification", "written", "tries", "again at")
    return pieces.table(head, rows, numbers=(3,), empty="None: all were taken.")
