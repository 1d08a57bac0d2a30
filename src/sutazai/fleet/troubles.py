"""What of a fleet needs a person, causes first: the same in every face. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from sutazai.fleet.alert_status import Alert
from sutazai.fleet.alerting import Severity
from sutazai.fleet.status import FleetStatus, Level


def needy(alerts: Sequence[Alert]) -> list[Alert]:
    """The alerts that a person should do something about: neither what follows from another one
    or is silenced, nor what is only worth knowing."""
    return [each for each in alerts if not each.muted and each.severity is not Severity.INFO]


def looked_after(alert: Alert) -> str:
    """What happened, and who looks after it where somebody does."""
    word = alert.acknowledged
    return f"{alert.summary} ({word.by or 'somebody'} looks after it)" if word else alert.summary


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


def count_of(troubles: int) -> str:
    """How many there are, as a heading."""
    return "One thing needs you" if troubles == 1 else f"{troubles} things need you"
