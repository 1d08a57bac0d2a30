"""Service levels: how much of an error budget is left, and how fast it burns. Pure.

Alerts follow "Alerting on SLOs" in Google's Site Reliability Workbook (chapter 5, "6: Multiwindow,
Multi-Burn-Rate Alerts"): 2 % of the budget burnt within a 720th of its time, 5 % within a 120th,
10 % within a tenth (an hour, six hours and three days of thirty days), and still burning over a
twelfth of that.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sutazai.fleet.alerting import BURNS as NAMES
from sutazai.fleet.alerting import DAY, AlertRule, Objective, Severity
from sutazai.observe.alerts.measuring import Index, matches
from sutazai.observe.samples import Labels, Sample

BURN = "sutazai_objective_burn_rate"
LEFT = "sutazai_objective_budget_left_ratio"
SHARE = "sutazai_objective_good_ratio"

RESOLUTION = 60
"""A point is kept about every sixtieth of its age, so a window is met to 2 % of its length."""
FINEST = 10.0
"""Seconds between two points at least."""
THIN_EVERY = 200

Point = tuple[float, float, float]
"""When, and how many there had been by then: all, and the bad."""


@dataclass(frozen=True)
class Burn:
    """One pair of windows, as parts of the objective's, and the burn rate at which both alert."""

    name: str
    part: float
    rate: float
    severity: Severity

    def long(self, objective: Objective) -> float:
        """Seconds of the window that says how much was burnt."""
        return objective.window * self.part

    def short(self, objective: Objective) -> float:
        """Seconds of the one that says that it still burns."""
        return max(60.0, self.long(objective) / 12)


BURNS = (
    Burn(NAMES[0], 1 / 720, 14.4, Severity.CRITICAL),
    Burn(NAMES[1], 1 / 120, 6.0, Severity.CRITICAL),
    Burn(NAMES[2], 1 / 10, 1.0, Severity.WARNING),
)


def burn_rules(objectives: Mapping[str, Objective]) -> dict[str, AlertRule]:
    """The alerts of each objective; a faster burn says all that a slower one does."""
    found = {}
    for name, objective in objectives.items():
        names = [f"{name}-burns-{burn.name}" for burn in BURNS]
        for at, burn in enumerate(BURNS):
            rule = AlertRule(
                metric=BURN,
                labels={"objective": name, "burn": burn.name},
                value=burn.rate,
                severity=burn.severity,
                suppresses=tuple(names[at + 1 :]),
                summary=f"{objective.description or name}: the error budget of "
                f"{objective.target:.6g} burns {{value}} times too fast",
                hint="sutazai gateway calls shows what fails",
            )
            back = min(DAY, burn.short(objective))
            found[names[at]] = rule.model_copy(update={"window": back})
    return found


class Ledger:
    """Counts one objective's calls, by times of a clock that never falls.

    Args:
        points: what an earlier ledger remembered.
    """

    def __init__(self, objective: Objective, points: Iterable[Point] = ()) -> None:
        self._objective = objective
        self._points = list(points)
        self._raw: dict[Labels, float] | None = None
        self._added = 0

    @property
    def points(self) -> tuple[Point, ...]:
        """What must be remembered over a restart."""
        return tuple(self._points)

    def add(self, index: Index, now: float) -> None:
        """Counts what is new in the samples. What was there at first is from before our time."""
        total, bad = self._points[-1][1:] if self._points else (0.0, 0.0)
        if self._objective.within is None:
            more, worse = self._of_counter(index)
        else:
            more, worse = self._of_histogram(index, self._objective.within)
        if self._points and now - self._points[-1][0] < FINEST / 2:
            self._points.pop()
        self._points.append((now, total + more, bad + worse))
        self._added += 1
        if self._added % THIN_EVERY == 0:
            self._points = thinned(self._points, now, self._objective.window)

    def samples(self, name: str) -> list[Sample]:
        """The objective as samples: burn rates by pair of windows, what is left, what was good."""
        if not self._points:
            return []
        objective, found = self._objective, []
        for burn in BURNS:
            rate = min(self._spent(burn.long(objective)), self._burnt(burn.short(objective)))
            labels = (("burn", burn.name), ("objective", name))
            found.append(Sample(BURN, labels, rate))
        total, bad = self._counted(objective.window)
        used = bad / total / (1 - objective.target) if total else 0.0
        of = (("objective", name),)
        return [
            *found,
            Sample(LEFT, of, 1 - used),
            Sample(SHARE, of, 1 - bad / total if total else 1.0),
        ]

    def _spent(self, window: float) -> float:
        """The burn rate over a window; what is not known of it yet counts as good, for the share of
        the budget that was spent is what it stands for. Of few calls nothing is said."""
        if self._counted(window)[0] < self._objective.at_least:
            return 0.0
        known = self._points[-1][0] - self._points[0][0]
        return self._burnt(window) * min(1.0, known / window)

    def _burnt(self, window: float) -> float:
        total, bad = self._counted(window)
        return bad / total / (1 - self._objective.target) if total else 0.0

    def _counted(self, window: float) -> tuple[float, float]:
        now, total, bad = self._points[-1]
        at = bisect_right(self._points, now - window, key=lambda point: point[0])
        _, before, worse = self._points[max(0, at - 1)]
        return total - before, bad - worse

    def _of_counter(self, index: Index) -> tuple[float, float]:
        grown = self._grown(index.get(self._objective.metric, ()))
        bad = (more for labels, more in grown if matches(labels, self._objective.bad))
        return sum(more for _, more in grown), sum(bad)

    def _of_histogram(self, index: Index, within: float) -> tuple[float, float]:
        """Those above the edge are all less those below it."""
        grown = self._grown(index.get(f"{self._objective.metric}_bucket", ()))
        edges = {"total": 0.0, "good": 0.0}
        for labels, more in grown:
            if labels.get("le") == "+Inf":
                edges["total"] += more
            elif _is(labels.get("le", ""), within):
                edges["good"] += more
        return edges["total"], max(0.0, edges["total"] - edges["good"])

    def _grown(self, samples: Iterable[Sample]) -> list[tuple[dict[str, str], float]]:
        """By how much each series has grown since the last time."""
        before, raw, found = self._raw, dict(self._raw or ()), []
        for sample in samples:
            labels = dict(sample.labels)
            if not matches(labels, self._objective.labels):
                continue
            raw[sample.labels] = sample.value
            if before is not None:
                last = before.get(sample.labels, 0.0)
                found.append((labels, sample.value - (last if sample.value >= last else 0.0)))
        if raw:
            self._raw = raw
        return found


def thinned(points: list[Point], now: float, window: float) -> list[Point]:
    """``points`` with the older ones further apart, and none but one older than ``window``."""
    first = max(0, bisect_right(points, now - window, key=lambda point: point[0]) - 1)
    kept = points[first : first + 1]
    for at in range(first + 1, len(points)):
        following = points[at + 1][0] if at + 1 < len(points) else None
        age = now - points[at][0]
        if following is None or following - kept[-1][0] > max(FINEST, age / RESOLUTION):
            kept.append(points[at])
    return kept


def _is(edge: str, within: float) -> bool:
    try:
        return abs(float(edge) - within) < 1e-9
    except ValueError:
        return False
