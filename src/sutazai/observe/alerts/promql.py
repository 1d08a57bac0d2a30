"""Rules and objectives as PromQL. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from sutazai.fleet.alerting import AlertRule, Combine, Measure, Objective, Series
from sutazai.observe.alerts.objectives import Burn
from sutazai.observe.alerts.words import matcher

_COMBINE = {Combine.SUM: "sum", Combine.MEAN: "avg", Combine.MAX: "max"}


def condition(rule: AlertRule) -> str:
    """The expression whose series fire."""
    measured = _measured(rule, rule)
    if rule.share_of is None:
        return f"{measured} {rule.comparison} {rule.value:.12g}"
    whole = _measured(rule, rule.share_of)
    compared = f"{measured} / {whole} {rule.comparison} {rule.value:.12g}"
    if not rule.at_least:
        return compared
    return f"({compared}) and ({whole} * {rule.window:.12g} >= {rule.at_least:.12g})"


def burning(objective: Objective, burn: Burn) -> str:
    """Both windows of ``burn`` show that rate, and the long one has enough to speak of."""
    limit = f"{burn.rate * (1 - objective.target):.12g}"
    long, short = (span(window) for window in (burn.long(objective), burn.short(objective)))
    total = _total(objective, long)
    enough = f"{total} * {burn.long(objective):.12g} >= {objective.at_least}"
    return (
        f"({_bad(objective, long)} / {total} > {limit})"
        f" and ({_bad(objective, short)} / {_total(objective, short)} > {limit})"
        f" and ({enough})"
    )


def span(seconds: float) -> str:
    """A duration as PromQL writes it: whole milliseconds, the largest unit that fits."""
    milliseconds = max(1, round(seconds * 1000))
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"


def _measured(rule: AlertRule, series: Series) -> str:
    window = span(rule.window)
    if rule.measure is Measure.QUANTILE:
        buckets = f"rate({_selector(series, suffix='_bucket')}[{window}])"
        summed = buckets if rule.by is None else _combined("sum", buckets, (*rule.by, "le"))
        return f"histogram_quantile({rule.quantile:.12g}, {summed})"
    selector = _selector(series)
    inner = {
        Measure.VALUE: selector,
        Measure.RATE: f"rate({selector}[{window}])",
        Measure.GROWTH: f"({selector} - ({selector} offset {window} > 0))",
    }[rule.measure]
    return inner if rule.by is None else _combined(_COMBINE[rule.combine], inner, rule.by)


def _combined(how: str, inner: str, by: Iterable[str]) -> str:
    return f"{how} by ({', '.join(by)}) ({inner})"


def _selector(series: Series, *extra: str, suffix: str = "") -> str:
    labels = [*(matcher(name, value) for name, value in series.labels.items()), *extra]
    return f"{series.metric}{suffix}" + (f"{{{', '.join(labels)}}}" if labels else "")


def _total(objective: Objective, window: str) -> str:
    if objective.within is None:
        return f"sum(rate({_selector(objective)}[{window}]))"
    return f"sum(rate({_selector(objective, suffix='_count')}[{window}]))"


def _bad(objective: Objective, window: str) -> str:
    if objective.within is None:
        bad = (matcher(name, value) for name, value in objective.bad.items())
        return f"sum(rate({_selector(objective, *bad)}[{window}]))"
    edge = matcher("le", str(float(objective.within)))
    good = _selector(objective, edge, suffix="_bucket")
    return f"({_total(objective, window)} - sum(rate({good}[{window}])))"
