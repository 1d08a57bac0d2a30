"""What spans several parts of alerts: names they use, circles of causes, who is notified. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from sutazai.fleet.alert_defaults import ALERTS, OBJECTIVES
from sutazai.fleet.alerting import AlertRule, Series, burn_names
from sutazai.fleet.explain import did_you_mean
from sutazai.fleet.metric_names import METRICS, is_known
from sutazai.fleet.order import cycles
from sutazai.fleet.positions import Path, Positions
from sutazai.fleet.problems import Problem, Severity
from sutazai.fleet.secrets import is_reference
from sutazai.fleet.spec import Fleet

Found = Iterator[Problem]


def check_alerts(fleet: Fleet, positions: Positions) -> Found:
    """Everything that is wrong with the alerts, objectives and notifications of ``fleet``."""
    yield from _metrics(fleet, positions)
    yield from _causes(fleet, positions)
    yield from _targets(fleet, positions)


def _metrics(fleet: Fleet, positions: Positions) -> Found:
    for path, label, series in _series(fleet):
        if not is_known(series.metric):
            yield positions.problem(
                (*path, "metric"),
                f"`metric` of {label}: SutazAI tells no metric `{series.metric}`",
                hint=did_you_mean(series.metric, METRICS) or "see docs/alerts.md",
                severity=Severity.WARNING,
            )


def _series(fleet: Fleet) -> Iterator[tuple[Path, str, Series]]:
    for name, rule in fleet.alerts.items():
        yield ("alerts", name), f"alert `{name}`", rule
        if rule.share_of is not None:
            yield ("alerts", name, "share_of"), f"`share_of` of alert `{name}`", rule.share_of
    for name, objective in fleet.objectives.items():
        yield ("objectives", name), f"objective `{name}`", objective


def _causes(fleet: Fleet, positions: Positions) -> Found:
    burns = burn_names({*OBJECTIVES, *fleet.objectives})
    for name in (name for name in fleet.alerts if name in burns):
        yield positions.problem(
            ("alerts", name),
            f"alert `{name}` has the name of an objective's own alert",
            hint="give it another name",
            at_key=True,
        )
    known = {*ALERTS, *fleet.alerts, *burns}
    for name, rule in fleet.alerts.items():
        for at, other in enumerate(rule.suppresses):
            if other not in known:
                yield positions.problem(
                    ("alerts", name, "suppresses", at),
                    f"`suppresses` of alert `{name}`: there is no alert `{other}`",
                    hint=did_you_mean(other, known) or "sutazai alerts rules lists them",
                )
    for cycle in cycles(_suppressed(fleet)):
        declared = next((name for name in cycle if name in fleet.alerts), cycle[0])
        yield positions.problem(
            ("alerts", declared, "suppresses"),
            f"these suppress each other, so nobody would hear of any: {' → '.join(cycle)}",
            hint="remove one of them from `suppresses` of the one before it",
        )


def _suppressed(fleet: Fleet) -> dict[str, tuple[str, ...]]:
    built_in = {name: AlertRule.model_validate(rule) for name, rule in ALERTS.items()}
    return {name: rule.suppresses for name, rule in {**built_in, **fleet.alerts}.items()}


def _targets(fleet: Fleet, positions: Positions) -> Found:
    levels = len(fleet.notify.escalate)
    for name, target in fleet.notify.targets.items():
        path = ("notify", "targets", name)
        if not is_reference(target.url):
            yield positions.problem(
                (*path, "url"),
                f"`url` of target `{name}` is written out, with the secret that such a URL holds",
                hint="put the URL elsewhere, and write `${NAME}` or `file:PATH` here",
            )
        if target.level > levels:
            yield positions.problem(
                (*path, "level"),
                f"`level` of target `{name}` is never reached: there are {levels} escalations",
                hint="lower it, or add a time to `notify.escalate`",
            )
