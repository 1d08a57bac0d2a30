"""The rules and objectives of a fleet: the built-in ones under those of its file. Pure."""

from __future__ import annotations

from sutazai.fleet.alert_defaults import ALERTS, OBJECTIVES
from sutazai.fleet.alerting import AlertRule, Objective
from sutazai.fleet.spec import Fleet


def rules_of(fleet: Fleet) -> dict[str, AlertRule]:
    """Those that are watched; the alerts of objectives come on top."""
    built_in = {name: AlertRule.model_validate(rule) for name, rule in ALERTS.items()}
    return {name: rule for name, rule in {**built_in, **fleet.alerts}.items() if rule.enabled}


def objectives_of(fleet: Fleet) -> dict[str, Objective]:
    """Those that are watched."""
    built_in = {name: Objective.model_validate(each) for name, each in OBJECTIVES.items()}
    return {name: each for name, each in {**built_in, **fleet.objectives}.items() if each.enabled}
