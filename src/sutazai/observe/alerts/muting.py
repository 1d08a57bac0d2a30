"""Of which series nobody is told: those that a cause explains, and those that are silenced. Pure.

A cause explains a series unless both have a label of the same name with another value: an agent
that failed explains its own slow calls, not those of others; no model at all explains everything.
What looks back goes on seeing a trouble that is over, and is explained as long as it does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from sutazai.fleet.alert_status import CAUSE, Alert, AlertState, Silence
from sutazai.fleet.alerting import DAY, AlertRule, Measure, Severity, worse
from sutazai.observe.alerts.book import Book, Held, Past
from sutazai.observe.alerts.objectives import BURN
from sutazai.observe.samples import Labels

Names = tuple[str, ...]


def causes_of(rules: Mapping[str, AlertRule]) -> dict[str, tuple[str, ...]]:
    """By rule, those that suppress it, directly or through one another; the first cause first."""
    found = {}
    for name in rules:
        above: dict[str, None] = {}
        _climb(name, rules, above)
        above.pop(name, None)  # a circle is refused elsewhere; here it must not mute itself
        found[name] = tuple(reversed(above))
    return found


def _climb(name: str, rules: Mapping[str, AlertRule], above: dict[str, None]) -> None:
    for cause, rule in rules.items():
        if name in rule.suppresses and cause not in above:
            above[cause] = None
            _climb(cause, rules, above)


class Causes:
    """What the held series explain; those that are pending count, for what follows from a cause can
    be quicker than it.

    Args:
        by_rule: as `causes_of` gives it.
    """

    def __init__(self, by_rule: Mapping[str, Sequence[str]], book: Book) -> None:
        self._by_rule = by_rule
        self._book = book
        self._known: dict[tuple[str, float], dict[Names, list[Labels]]] = {}
        self._shared: dict[tuple[str, float, Names, Names], set[Labels]] = {}

    def of(self, rule: str, labels: Labels, *, back: float) -> str | None:
        """The rule that explains this series of ``rule``, the first cause first; also one that is
        over since less than ``back`` seconds."""
        own = dict(labels)
        causes = self._by_rule[rule]
        return next((each for each in causes if self._explains(each, own, back)), None)

    def _explains(self, cause: str, own: Mapping[str, str], back: float) -> bool:
        for names in self._series(cause, back):
            common = tuple(name for name in names if name in own)
            shared = self._only(cause, back, names, common)
            if tuple((name, own[name]) for name in common) in shared:
                return True
        return False

    def _series(self, cause: str, back: float) -> Mapping[Names, Sequence[Labels]]:
        """The cause's series by the names of their labels."""
        key = (cause, back)
        if key not in self._known:
            found: defaultdict[Names, list[Labels]] = defaultdict(list)
            now = [one.labels for one in self._book.held.get(cause, ())]
            for labels in (*now, *recent(self._book, cause, back)):
                found[tuple(name for name, _ in labels)].append(labels)
            self._known[key] = found
        return self._known[key]

    def _only(self, cause: str, back: float, names: Names, common: Names) -> set[Labels]:
        """The cause's series by the labels that they have in common with others."""
        key = (cause, back, names, common)
        if key not in self._shared:
            self._shared[key] = {
                tuple(label for label in labels if label[0] in common)
                for labels in self._series(cause, back)[names]
            }
        return self._shared[key]


def as_severe_as_what_follows(alerts: Sequence[Alert]) -> tuple[Alert, ...]:
    """``alerts``, where a cause counts as much as the worst that it explains: who would be woken
    by that one is told of the cause instead."""
    worst: dict[str, Severity] = {}
    for alert in alerts:
        if alert.state is AlertState.FIRING and alert.muted.startswith(CAUSE):
            cause = alert.muted.removeprefix(CAUSE)
            worst[cause] = worse(alert.severity, worst.get(cause, Severity.INFO))
    return tuple(
        alert.model_copy(update={"severity": worse(alert.severity, worst[alert.rule])})
        if alert.rule in worst
        else alert
        for alert in alerts
    )


def recent(book: Book, cause: str, back: float) -> Iterator[Labels]:
    """The series of a cause that are over since less than ``back`` seconds."""
    past = book.past.get(cause, ())
    return (one.labels for one in past if book.steady - one.over < back)


def past(before: Book, after: Book, rules: Mapping[str, AlertRule]) -> dict[str, tuple[Past, ...]]:
    """The series of causes that fired and are over, for as long as anything looks back."""
    found = {
        name: _over(
            before.past.get(name, ()),
            before.held.get(name, ()),
            after.held.get(name, ()),
            after.steady,
        )
        for name, rule in rules.items()
        if rule.suppresses
    }
    return {name: series for name, series in found.items() if series}


def _over(
    known: Iterable[Past], before: Iterable[Held], after: Iterable[Held], now: float
) -> tuple[Past, ...]:
    held = {one.labels for one in after}
    over = {one.labels: one for one in known if now - one.over < DAY}
    over |= {one.labels: Past(one.labels, now) for one in before if one.firing}
    return tuple(one for one in over.values() if one.labels not in held)


def looks_back(rule: AlertRule) -> float:
    """Seconds for which a rule goes on seeing what is over."""
    return 0.0 if rule.measure is Measure.VALUE and rule.metric != BURN else rule.window


def silence(
    labels: Labels, rule: str, severity: str, silences: Iterable[Silence]
) -> Silence | None:
    """The first of ``silences`` that matches a series."""
    known = {**dict(labels), "alert": rule, "severity": severity}
    return next((each for each in silences if each.matchers.items() <= known.items()), None)


def in_force(silences: Iterable[Silence], now: float) -> Iterator[Silence]:
    """Those that have not run out."""
    return (each for each in silences if each.until > now)
