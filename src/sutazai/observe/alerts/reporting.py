"""Rules, objectives and silences as people see them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sutazai.fleet.alert_status import Alert, AlertRuleStatus, AlertState, ObjectiveStatus, Silence
from sutazai.fleet.alerting import AlertRule, Objective
from sutazai.observe.alerts import words
from sutazai.observe.alerts.evaluator import Seen
from sutazai.observe.alerts.objectives import BURN, LEFT, SHARE
from sutazai.observe.samples import Sample


def rules(declared: Mapping[str, AlertRule], seen: Seen) -> list[AlertRuleStatus]:
    """Each rule in words, with what it sees and the worst that it found."""
    states: dict[str, AlertState] = {}
    for alert in seen.alerts:
        if states.get(alert.rule) is not AlertState.FIRING:
            states[alert.rule] = alert.state
    return [
        AlertRuleStatus(
            name=name,
            severity=rule.severity,
            condition=words.condition(rule),
            summary=rule.summary,
            suppresses=rule.suppresses,
            seen=seen.readings.get(name, 0),
            state=states.get(name),
        )
        for name, rule in declared.items()
    ]


def objectives(
    declared: Mapping[str, Objective], samples: Iterable[Sample]
) -> list[ObjectiveStatus]:
    """Each objective with what was good, what is left, and how fast it burns."""
    found: dict[tuple[str, str, str], float] = {}
    for sample in samples:
        labels = dict(sample.labels)
        found[sample.name, labels["objective"], labels.get("burn", "")] = sample.value
    return [
        ObjectiveStatus(
            name=name,
            description=objective.description,
            target=objective.target,
            window=objective.window,
            good=found.get((SHARE, name, ""), 1.0),
            budget_left=found.get((LEFT, name, ""), 1.0),
            burns={
                burn: rate
                for (metric, of, burn), rate in found.items()
                if metric == BURN and of == name
            },
        )
        for name, objective in declared.items()
    ]


def headlines(alerts: Iterable[Alert]) -> tuple[str, ...]:
    """One line for each that fires and is heard, in the given order."""
    return tuple(
        f"{alert.severity} {alert.rule}: {alert.summary}"
        for alert in alerts
        if alert.state is AlertState.FIRING and not alert.muted
    )


def silenced(silence: Silence) -> str:
    """What a silence is for: ``agent=planner, alert=agent-down (maintenance), by ada``."""
    matched = ", ".join(f"{name}={value}" for name, value in silence.matchers.items())
    why = f" ({silence.why})" if silence.why else ""
    by = f", by {silence.by}" if silence.by else ""
    return f"{matched}{why}{by}"
