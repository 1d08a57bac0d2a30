"""Alerts in the fleet file: what is wrong when, which service is owed, and who hears of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import (
    BeforeValidator,
    Field,
    StringConstraints,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from sutazai.fleet.declared import Interval, Name, Spec, wrong
from sutazai.fleet.units import Duration, parse_duration, parse_size

DAY = 86_400.0
YEAR = 366 * DAY
LEVELS_MAX = 10

BURNS = ("fast", "steady", "slow")
"""How fast an error budget can burn; each is an alert of its own."""

Metric = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$", max_length=200)]
Label = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$", max_length=100)]
Wanted = str | tuple[str, ...]
"""The value that a label must have, or several of which it must have one."""


class Severity(StrEnum):
    """How bad it is: worth knowing, worth a look today, worth waking somebody."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


def worse(one: Severity, other: Severity) -> Severity:
    """The one that is more severe."""
    return max(one, other, key=[*Severity].index)


class Comparison(StrEnum):
    ABOVE = ">"
    AT_LEAST = ">="
    BELOW = "<"
    AT_MOST = "<="
    EQUAL = "=="
    OTHER = "!="


class Measure(StrEnum):
    """What of a series is compared: itself, its growth per second as a counter, how much it has
    grown as a gauge (since it was above zero), or a quantile of a histogram."""

    VALUE = "value"
    RATE = "rate"
    GROWTH = "growth"
    QUANTILE = "quantile"


class Combine(StrEnum):
    """How series of the same labels become one number."""

    SUM = "sum"
    MEAN = "mean"
    MAX = "max"


_PERCENT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%\s*")


def _number(value: object) -> object:
    """A number from ``5``, ``85%``, ``512MiB`` or ``5s``."""
    if not isinstance(value, str):
        return value
    if percent := _PERCENT.fullmatch(value):
        return round(float(percent[1]) / 100, 12)
    for parse in (parse_size, parse_duration):
        try:
            return parse(value)
        except ValueError:
            continue
    raise ValueError("expected a number, a percentage (85%), a size (512MiB) or a duration (5s)")


Quantity = Annotated[
    float,
    BeforeValidator(_number),
    Field(allow_inf_nan=False),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}], "examples": ["85%"]}),
]
"""A number, in files also with a unit: ``85%`` is 0.85, ``512MiB`` bytes, ``5s`` seconds."""


class Series(Spec):
    """Series of one metric, those that have these labels."""

    metric: Metric = Field(description="Name of the metric.")
    labels: dict[Label, Wanted] = Field(
        default_factory=dict, description="Only series with these labels; a list is any of them."
    )


class AlertRule(Series):
    """What is wrong when: a measure of a metric, compared with a value."""

    measure: Measure = Field(
        Measure.VALUE,
        description="The `value`, or within `window` its `rate` per second (of a counter), its "
        "`growth` (of a gauge) or a `quantile` (of a histogram).",
    )
    window: Interval = Field(300.0, le=DAY, description="Time that the measure looks back.")
    quantile: float = Field(0.95, gt=0, lt=1, description="Which one, with that measure.")
    by: tuple[Label, ...] | None = Field(
        None, description="One number for series that share these labels; else each is by itself."
    )
    combine: Combine = Field(Combine.SUM, description="With `by`: their sum, mean or max.")
    share_of: Series | None = Field(
        None, description="Divide by the same measure of these series, combined the same way."
    )
    at_least: float = Field(
        0.0, ge=0, description="With `share_of`, compare only where that is as much in `window`."
    )
    comparison: Comparison = Field(Comparison.ABOVE, description="How it is compared.")
    value: Quantity = Field(description="With what: a number, `85%`, `512MiB` or `5s`.")
    for_: Duration = Field(
        0.0, alias="for", le=DAY, description="Time that it must last before the alert fires."
    )
    hold_off: Duration = Field(
        30.0, le=DAY, description="Time that all must be well before the alert ends."
    )
    severity: Severity = Field(Severity.WARNING, description="info, warning or critical.")
    each: tuple[Label, ...] = Field(
        (), description="Labels by which there is an alert each; else all series make one."
    )
    suppresses: tuple[Name, ...] = Field(
        (), description="Alerts that follow from this one: they are quiet while it lasts."
    )
    summary: str = Field("", description="One line for people; `{value}` and labels are put in.")
    hint: str = Field("", description="What to do about it.")
    enabled: bool = Field(True, description="Whether it is watched.")

    @model_validator(mode="after")
    def _keys_fit_together(self) -> Self:
        if self.share_of is not None and self.measure is Measure.QUANTILE:
            raise wrong("share_of", "a quantile is of a histogram alone, not a share of another")
        if self.measure is Measure.QUANTILE and self.combine is not Combine.SUM:
            raise wrong("combine", "histograms are summed")
        if self.at_least and (self.share_of is None or self.measure is not Measure.RATE):
            raise wrong("at_least", "`at_least` needs `measure: rate` and `share_of`")
        return self


class Objective(Series):
    """A service that is owed: this share of what is counted, over this time, must be good.

    What is bad is told either by labels of a counter, or by the bound of a histogram.
    """

    bad: dict[Label, Wanted] = Field(
        default_factory=dict, description="Labels of those that count as bad."
    )
    within: Interval | None = Field(
        None, description="Or, of a histogram: what took longer is bad; an edge of its buckets."
    )
    target: Quantity = Field(description="Share that must be good, as `99.9%`.", gt=0, lt=1)
    window: Interval = Field(
        30 * DAY, ge=DAY, le=YEAR, description="Time that the error budget is for."
    )
    at_least: int = Field(
        50, ge=1, description="Below so many in a window nothing is said about it."
    )
    description: str = Field("", description="One line for people.")
    enabled: bool = Field(True, description="Whether it is watched.")

    @model_validator(mode="after")
    def _bad_is_told_one_way(self) -> Self:
        if bool(self.bad) == (self.within is not None):
            raise wrong("bad", "give either `bad` (of a counter) or `within` (of a histogram)")
        return self


class Target(Spec):
    """Somebody who is notified, by an Apprise URL."""

    url: str = Field(description="A reference to it, `${VAR}` or `file:PATH`: it holds a secret.")
    severities: tuple[Severity, ...] = Field(
        (Severity.WARNING, Severity.CRITICAL), min_length=1, description="Which alerts it gets."
    )
    level: int = Field(
        0, ge=0, le=LEVELS_MAX, description="0: at once; 1, 2, …: from that escalation on."
    )
    resolved: bool = Field(True, description="Whether it hears of the end, too.")


class Notify(Spec):
    """Who hears of alerts, and when."""

    targets: dict[Name, Target] = Field(
        default_factory=dict, description="Who is notified, by name."
    )
    wait: Duration = Field(
        15.0, le=3600, description="Time for what fires together to be told as one, cause first."
    )
    escalate: tuple[Interval, ...] = Field(
        (300.0, 600.0, 900.0),
        max_length=LEVELS_MAX,
        description="Times without acknowledgement after which it is told again, one level up.",
    )

    @field_validator("escalate")
    @classmethod
    def _times_rise(cls, times: tuple[float, ...]) -> tuple[float, ...]:
        if list(times) != sorted(set(times)):
            raise ValueError("each time must be later than the one before")
        return times


def burn_names(objectives: Iterable[str]) -> set[str]:
    """The names of the alerts that objectives of these names have."""
    return {f"{name}-burns-{burn}" for name in objectives for burn in BURNS}


def over_defaults(given: object, defaults: Mapping[str, Mapping[str, Any]]) -> object:
    """``given``, by name, over ``defaults``: an entry without a `metric` of its own changes single
    keys of the default of its name."""
    if not isinstance(given, dict):
        return given
    return {name: _over(defaults.get(name), entry) for name, entry in given.items()}


def _over(default: Mapping[str, Any] | None, entry: Any) -> Any:
    changes = default is not None and isinstance(entry, dict) and "metric" not in entry
    return {**default, **entry} if default is not None and changes else entry
