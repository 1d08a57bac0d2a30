"""How alerts, silences, rules and service levels look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from sutazai.cli.console import clock, plain, table
from sutazai.fleet.alert_status import (
    Alert,
    AlertRuleStatus,
    AlertState,
    ObjectiveStatus,
    Silence,
)
from sutazai.fleet.alerting import Severity
from sutazai.fleet.units import format_duration

_STYLES = {Severity.CRITICAL: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}


def alerts_table(alerts: Sequence[Alert]) -> Table:
    """Alerts, one a row."""
    shown = table("severity", "alert", "state", "since", "what", "who")
    for each in alerts:
        quiet = each.muted or each.state is AlertState.RESOLVED
        shown.add_row(
            Text(each.severity, _STYLES[each.severity]),
            each.id,
            each.state,
            clock(each.since),
            plain(each.summary),
            plain(_who(each)),
            style="dim" if quiet else None,
        )
    return shown


def alert_view(alert: Alert) -> Iterator[Text]:
    """One alert with all that is known of it."""
    yield Text.assemble(
        (alert.severity, _STYLES[alert.severity]), f" {alert.id} ", (alert.state, "bold")
    )
    yield Text(f"  {plain(alert.summary)}")
    if alert.hint:
        yield Text(f"  → {plain(alert.hint)}", style="cyan")
    times = {"since": alert.since, "fired": alert.fired, "ended": alert.ended}
    told = ", ".join(f"{name} {clock(at)}" for name, at in times.items() if at is not None)
    yield Text(f"  {told}")
    if who := _who(alert):
        yield Text(f"  {plain(who)}")
    for one in alert.series:
        labels = ", ".join(f"{name}={value}" for name, value in one.labels.items())
        value = "" if one.value is None else f": {one.value:.6g}"
        yield Text(f"    {plain(labels) or 'the fleet'}{value}")
    if alert.count > len(alert.series):
        yield Text(f"    and {alert.count - len(alert.series)} more")


def silences_table(silences: Sequence[Silence]) -> Table:
    """Silences, one a row."""
    shown = table("silence", "matches", "until", "by", "why")
    for each in silences:
        matched = ", ".join(f"{name}={value}" for name, value in each.matchers.items())
        shown.add_row(each.id, plain(matched), clock(each.until), plain(each.by), plain(each.why))
    return shown


def rules_table(rules: Sequence[AlertRuleStatus]) -> Table:
    """Rules, one a row."""
    shown = table("alert", "severity", "series", "state", "when", "also explains")
    for each in rules:
        explains = ", ".join(each.suppresses)
        shown.add_row(
            each.name,
            Text(each.severity, _STYLES[each.severity]),
            str(each.seen),
            each.state or "",
            plain(each.condition),
            explains,
        )
    return shown


def objectives_table(objectives: Sequence[ObjectiveStatus]) -> Table:
    """Service levels, one a row."""
    shown = table("objective", "owed", "good", "budget left", "over", "burns", "what")
    for each in objectives:
        burns = ", ".join(f"{name} {rate:.2g}" for name, rate in each.burns.items())
        shown.add_row(
            each.name,
            f"{each.target * 100:.6g} %",
            f"{each.good * 100:.6g} %",
            Text(f"{each.budget_left * 100:.3g} %", "red" if each.budget_left < 0 else ""),
            format_duration(each.window),
            burns,
            plain(each.description),
        )
    return shown


def _who(alert: Alert) -> str:
    if alert.muted:
        return alert.muted
    word = alert.acknowledged
    if word is None:
        return f"told {alert.level + 1} times" if alert.level > 0 else ""
    return f"{word.by or 'somebody'}{': ' + word.note if word.note else ''}"
