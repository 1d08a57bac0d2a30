"""Whether the fleet is well, and what needs a person, in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from sutazai.fleet.alert_status import Alert
from sutazai.fleet.alerting import Severity
from sutazai.fleet.status import FleetStatus, Level

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
    count = "One thing needs" if len(troubles) == 1 else f"{len(troubles)} things need"
    return f'<div class="panel verdict {tone}"><h2>{count} you</h2><ul>{listed}{rest}</ul></div>'


def needy(alerts: Sequence[Alert]) -> list[Alert]:
    """The alerts that a person should do something about: neither what follows from another one
    or is silenced, nor what is only worth knowing."""
    return [each for each in alerts if not each.muted and each.severity is not Severity.INFO]


def _alert(alert: Alert) -> str:
    looked = alert.acknowledged
    who = f" ({looked.by or 'somebody'} looks after it)" if looked else ""
    hint = f' <span class="faint">{escape(alert.hint)}</span>' if alert.hint else ""
    return f'<a href="/alerts">{escape(alert.rule)}</a>: {escape(alert.summary + who)}{hint}'


def troubles_of(status: FleetStatus) -> list[str]:
    """What is wrong, causes first: what everything needs, the machine, then single units."""
    troubles = []
    if not status.llm.healthy:
        troubles.append("No LLM answers: agents can run, and what they ask of a model fails.")
    pressure = status.pressure
    if pressure.level is not Level.NORMAL:
        troubles.append(
            f"Memory is short ({pressure.level}): {pressure.percent:g} % in use, "
            f"{pressure.withheld} instances are held back."
        )
    return [*troubles, *status.problems]
