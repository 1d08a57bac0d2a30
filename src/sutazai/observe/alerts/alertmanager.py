"""An Alertmanager that knows what follows from what: its configuration, to start from. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from sutazai.fleet.alerting import AlertRule, Notify, Objective
from sutazai.observe.alerts import promql
from sutazai.observe.alerts.objectives import burn_rules
from sutazai.observe.alerts.words import PLACE

ADDRESS = "127.0.0.1:9093"
"""Where Alertmanager listens unless it is told otherwise."""


def configuration(
    rules: Mapping[str, AlertRule], objectives: Mapping[str, Objective], notify: Notify
) -> str:
    """An alertmanager.yml whose one receiver is still to be told how to reach somebody."""
    inhibited = inhibitions({**rules, **burn_rules(objectives)})
    lines = "".join(f"  - {json.dumps(one)}\n" for one in inhibited)
    return f"""\
# Made by `sutazai export prometheus`, to start from: say how the team is reached.
route:
  receiver: team
  group_by: [alertname]
  group_wait: {promql.span(notify.wait)}
  group_interval: {promql.span(notify.escalate[0] if notify.escalate else 300)}
  repeat_interval: 4h
receivers:
  - name: team
    # webhook_configs: [{{url: "http://127.0.0.1:8080/alerts"}}]
inhibit_rules:{"" if lines else " []"}
{lines}"""


def inhibitions(rules: Mapping[str, AlertRule]) -> Iterator[dict[str, list[str]]]:
    """Its ``inhibit_rules``: a cause silences what follows from it, where the labels that both
    have are the same."""
    for name, cause in rules.items():
        for following in cause.suppresses:
            if following in rules:
                yield {
                    "source_matchers": [f'alertname="{name}"'],
                    "target_matchers": [f'alertname="{following}"'],
                    "equal": sorted(_labels(cause) & _labels(rules[following])),
                }


def _labels(rule: AlertRule) -> set[str]:
    """The labels of a rule's series: those that it sums by, or else that people are told."""
    named = PLACE.findall(rule.summary) if rule.by is None else rule.by
    return set(named) - {"value", "count"}
