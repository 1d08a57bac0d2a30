"""Alerts in words: summaries with what was measured put in, conditions, values with units. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from sutazai.fleet.alerting import AlertRule, Measure, Series, Wanted
from sutazai.fleet.units import format_duration, format_size

FEW = 3
"""So many of several are named."""
PLACE = re.compile(r"\{(\w+)\}")
"""Where a label or `{value}` is put in."""


def summary(
    name: str, rule: AlertRule, series: Sequence[Mapping[str, str]], *, worst: float | None
) -> str:
    """One line: the rule's summary with ``{value}``, ``{count}`` and labels put in; of many series,
    how many values a label has and the first of them. Where a label is not there (of more than a
    thousand agents only groups are told), another one says what it is about."""
    text = rule.summary or f"{name}: {condition(rule)}"
    values = {"value": quantity(rule, worst), "count": str(len(series)), **_labels(series)}
    instead = next((f"{name} {each}" for name, each in _labels(series).items()), "?")
    return PLACE.sub(lambda match: values.get(match[1], instead), text)


def _labels(series: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {
        label: _listed([*dict.fromkeys(each[label] for each in series if label in each)], label)
        for label in dict.fromkeys(label for each in series for label in each)
    }


def _listed(names: Sequence[str], label: str) -> str:
    if len(names) <= FEW:
        return ", ".join(names)
    return f"{len(names)} {label}s ({', '.join(names[:FEW])}, …)"


def quantity(rule: AlertRule, value: float | None) -> str:
    """``value`` with the unit that the rule's metric says it has."""
    if value is None or math.isnan(value):
        return "nothing"
    if rule.share_of is not None or rule.metric.endswith("_ratio"):
        return f"{value * 100:.3g} %"
    if rule.metric.endswith("_bytes"):
        return ("-" if value < 0 else "") + format_size(abs(value))
    if rule.metric.endswith("_seconds") and math.isfinite(value) and value >= 0:
        return format_duration(value)
    return f"{value:.4g}"


def condition(rule: AlertRule) -> str:
    """What is compared, as ``0.95-quantile of x{a="b"} over 5m > 5s for 1m``."""
    of = series(rule)
    if rule.share_of is not None:
        of = f"{of} / {series(rule.share_of)}"
    over = f" over {format_duration(rule.window)}"
    measured = {
        Measure.VALUE: of,
        Measure.RATE: f"rate of {of}{over}",
        Measure.GROWTH: f"growth of {of}{over}",
        Measure.QUANTILE: f"{rule.quantile:g}-quantile of {of}{over}",
    }[rule.measure]
    by = "" if rule.by is None else f", {rule.combine} by {', '.join(rule.by) or 'nothing'}"
    lasting = f" for {format_duration(rule.for_)}" if rule.for_ else ""
    return f"{measured}{by} {rule.comparison} {quantity(rule, rule.value)}{lasting}"


def series(wanted: Series) -> str:
    """``metric{label="value"}``, as in Prometheus."""
    labels = ",".join(matcher(name, value) for name, value in wanted.labels.items())
    return f"{wanted.metric}{{{labels}}}" if labels else wanted.metric


def matcher(name: str, value: Wanted) -> str:
    """One label as PromQL matches it."""
    if isinstance(value, str):
        return f'{name}="{_escaped(value)}"'
    return f'{name}=~"{_escaped("|".join(map(re.escape, value)))}"'


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
