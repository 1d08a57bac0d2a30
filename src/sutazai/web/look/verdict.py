"""Whether the fleet is well, and what needs a person, in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from sutazai.fleet.alert_status import Alert
from sutazai.fleet.alerting import Severity
from sutazai.fleet.status import FleetStatus, Level
from sutazai.fleet.troubles import count_of, looked_after, needy, troubles_of

SHOWN = 8
TONES = {Level.NORMAL: "", Level.WARNING: "warn", Level.CRITICAL: "bad", Level.EMERGENCY: "bad"}


def verdict(status: FleetStatus, alerts: Sequence[Alert] = ()) -> str:
    """What is wrong first; a fleet without trouble is said to be well."""
    troubles = [*map(_alert, needy(alerts)), *map(escape, troubles_of(status))]
    if not troubles:
        return '<div class="panel verdict"><h2>All is well</h2>Nothing needs you.</div>'
    critical = any(alert.severity is Severity.CRITICAL for alert in needy(alerts))
    tone = "bad" if critical or status.problems or not status.llm.healthy else "warn"
    listed = "".join(f"<li>{trouble}</li>" for trouble in troubles[:SHOWN])
    more = len(troubles) - SHOWN
    rest = f"<li>and {more} more: see Alerts and Events</li>" if more > 0 else ""
    count = count_of(len(troubles))
    return f'<div class="panel verdict {tone}"><h2>{count}</h2><ul>{listed}{rest}</ul></div>'


def _alert(alert: Alert) -> str:
    hint = f' <span class="faint">{escape(alert.hint)}</span>' if alert.hint else ""
    return f'<a href="/alerts">{escape(alert.rule)}</a>: {escape(looked_after(alert))}{hint}'
