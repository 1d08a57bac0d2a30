"""Of which series nobody is told: those that a cause explains, and those that are silenced. Pure.

A cause explains a series unless both have a label of the same name with another value: an agent
that failed explains its own slow calls, not those of others; no model at all explains everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from sutazai.fleet.alert_status import Silence
from sutazai.fleet.alerting import AlertRule
from sutazai.observe.alerts.book import Held
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

    def __init__(
        self, by_rule: Mapping[str, Sequence[str]], held: Mapping[str, Iterable[Held]]
    ) -> None:
        self._by_rule = by_rule
        self._known: dict[str, dict[Names, list[Labels]]] = {}
        for rule, series in held.items():
            by_names = self._known.setdefault(rule, {})
            for one in series:
                by_names.setdefault(tuple(name for name, _ in one.labels), []).append(one.labels)
        self._shared: dict[tuple[str, Names, Names], set[Labels]] = {}

    def of(self, rule: str, labels: Labels) -> str | None:
        """The rule that explains this series of ``rule``, the first cause first."""
        own = dict(labels)
        return next((each for each in self._by_rule[rule] if self._explains(each, own)), None)

    def _explains(self, cause: str, own: Mapping[str, str]) -> bool:
        for names in self._known.get(cause, ()):
            common = tuple(name for name in names if name in own)
            if tuple((name, own[name]) for name in common) in self._only(cause, names, common):
                return True
        return False

    def _only(self, cause: str, names: Names, common: Names) -> set[Labels]:
        """The cause's series by the labels that they have in common with others."""
        key = (cause, names, common)
        if key not in self._shared:
            self._shared[key] = {
                tuple(label for label in labels if label[0] in common)
                for labels in self._known[cause][names]
            }
        return self._shared[key]


def silence(
    labels: Labels, rule: str, severity: str, silences: Iterable[Silence]
) -> Silence | None:
    """The first of ``silences`` that matches a series."""
    known = {**dict(labels), "alert": rule, "severity": severity}
    return next((each for each in silences if each.matchers.items() <= known.items()), None)


def in_force(silences: Iterable[Silence], now: float) -> Iterator[Silence]:
    """Those that have not run out."""
    return (each for each in silences if each.until > now)
