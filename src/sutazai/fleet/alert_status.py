"""Alerts as they stand: the shapes that control answers with, keeps, and faces show.

Times are seconds since 1970.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from sutazai.fleet.alerting import Label, Severity
from sutazai.fleet.shapes import Shape

SHOWN = 20
"""Most series of one alert that are told; ``count`` says how many there are."""
WORDS = 500
CAUSE = "cause: "
"""How it begins to be said that an alert is muted by its cause; then comes the cause's rule."""


class AlertState(StrEnum):
    """Pending lasts not long enough yet; resolved is over."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


class Acknowledgement(Shape):
    """Somebody looks after it."""

    by: str
    at: float
    note: str = ""


class AlertSeries(Shape):
    """One series of an alert. ``muted`` says why nobody is told of it: `cause: RULE` or
    `silence: ID`; empty where somebody is."""

    labels: dict[str, str]
    value: float | None
    muted: str = ""


class Alert(Shape):
    """One alert: all series of a rule that fire together.

    ``labels`` are those that tell it from others of its rule. ``count`` is the number of series
    that are not muted, or of all where every one is; ``muted`` then says why. ``level`` is how far
    it was escalated, -1 while nobody was told.
    """

    id: str
    rule: str
    severity: Severity
    state: AlertState
    labels: dict[str, str] = Field(default_factory=dict)
    summary: str
    hint: str = ""
    count: int = 1
    series: tuple[AlertSeries, ...] = ()
    since: float
    fired: float | None = None
    ended: float | None = None
    acknowledged: Acknowledgement | None = None
    muted: str = ""
    level: int = -1


class SilenceWanted(Shape):
    """``matchers`` are labels that a series must have, and `alert` and `severity`; at least one.
    ``until`` is when it ends."""

    matchers: dict[Label, str] = Field(min_length=1, max_length=20)
    until: float
    by: str = Field("", max_length=WORDS)
    why: str = Field("", max_length=WORDS)


class Silence(SilenceWanted):
    """Nobody is told of what it matches."""

    id: str
    since: float


class AlertRuleStatus(Shape):
    """A rule as it is evaluated, in words, and what it sees."""

    name: str
    severity: Severity
    condition: str
    summary: str
    suppresses: tuple[str, ...] = ()
    seen: int = Field(0, description="Series that it sees now; none mostly means a wrong name.")
    state: AlertState | None = None


class ObjectiveStatus(Shape):
    """A service level: what share was good, and what is left of its error budget (below 0: none).
    ``burns`` gives by pair of windows how many times too fast it burns."""

    name: str
    description: str = ""
    target: float
    window: float
    good: float
    budget_left: float
    burns: dict[str, float] = Field(default_factory=dict)


class Waiting(Shape):
    """A notification that its target has not taken yet; ``again`` is when it is tried next."""

    target: str
    title: str
    written: float
    again: float
    tries: int
