"""The rules as a file for Prometheus (2.42 or newer). Pure.

What Prometheus has no rules for (grouping, causes, silences) is Alertmanager's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sutazai.fleet.alerting import AlertRule, Objective
from sutazai.observe.alerts import promql
from sutazai.observe.alerts.objectives import BURNS, burn_rules
from sutazai.observe.alerts.words import PLACE

GROUP = "sutazai"
OBJECTIVES = "sutazai-objectives"


def rule_file(rules: Mapping[str, AlertRule], objectives: Mapping[str, Objective]) -> str:
    """The file's text: JSON, which is YAML too."""
    groups = [
        {"name": GROUP, "rules": [_rule(name, rule) for name, rule in rules.items()]},
        {"name": OBJECTIVES, "rules": [*_burns(objectives)]},
    ]
    filled = {"groups": [group for group in groups if group["rules"]]}
    return json.dumps(filled, indent=2, ensure_ascii=False) + "\n"


def _burns(objectives: Mapping[str, Objective]) -> Iterator[dict[str, Any]]:
    rules = burn_rules(objectives)
    for name, objective in objectives.items():
        for burn in BURNS:
            alert = f"{name}-burns-{burn.name}"
            rule = rules[alert]
            yield _shown(alert, rule, promql.burning(objective, burn), labels=rule.labels)


def _rule(name: str, rule: AlertRule) -> dict[str, Any]:
    return _shown(name, rule, promql.condition(rule), labels={})


def _shown(
    name: str, rule: AlertRule, expression: str, *, labels: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "alert": name,
        "expr": expression,
        "for": promql.span(rule.for_) if rule.for_ else "0s",
        "keep_firing_for": promql.span(rule.hold_off) if rule.hold_off else "0s",
        "labels": {**labels, "severity": rule.severity.value},
        "annotations": {
            "summary": _templated(rule.summary or name),
            **({"description": _templated(rule.hint)} if rule.hint else {}),
        },
    }


def _templated(text: str) -> str:
    """``{value}`` and labels as Prometheus' templates have them; other braces are plain."""
    plain = text.replace("{{", "{ {")
    return PLACE.sub(
        lambda match: (
            "{{ $value | humanize }}" if match[1] == "value" else f"{{{{ $labels.{match[1]} }}}}"
        ),
        plain,
    )
