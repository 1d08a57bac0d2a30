"""Evaluates rules: samples with their time go in, alerts come out. Pure.

A condition must last (`for`) before it fires, and be over for a while (`hold_off`) before it ends.
Series that vanish are waited for a little. A clock that jumps, or a pause of the evaluation, counts
as one short step: nothing fires or ends by it.
"""

from __future__ import annotations

import hashlib
import math
import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from sutazai.fleet.alert_status import CAUSE, SHOWN, Alert, AlertSeries, AlertState
from sutazai.fleet.alerting import AlertRule, Comparison, Objective, worse
from sutazai.observe.alerts import muting, words
from sutazai.observe.alerts.book import Book, Held, Record
from sutazai.observe.alerts.measuring import Index, Meter, Reading, indexed
from sutazai.observe.alerts.objectives import Ledger, burn_rules
from sutazai.observe.samples import Labels, Sample

STEP_MAX = 60.0
"""Most seconds that one step counts for; after a longer one windows begin anew."""
MISSING = 120.0
"""Seconds that a series which vanished is taken to be as it was."""
ENDED_KEPT = 100
"""Most alerts that are over and still shown."""
HELD_MAX = 5_000
"""Most series of one rule that are followed; a storm of them is one alert all the same."""

HOLDS: Mapping[Comparison, Callable[[float, float], bool]] = {
    Comparison.ABOVE: operator.gt,
    Comparison.AT_LEAST: operator.ge,
    Comparison.BELOW: operator.lt,
    Comparison.AT_MOST: operator.le,
    Comparison.EQUAL: operator.eq,
    Comparison.OTHER: operator.ne,
}


@dataclass(frozen=True)
class Seen:
    """What one evaluation found.

    ``alerts`` are those that are pending or firing, ``fired`` and ``ended`` those that came to be
    so in this step. ``objectives`` are samples of service levels; ``readings`` counts by rule the
    series that it saw.
    """

    book: Book
    alerts: tuple[Alert, ...] = ()
    fired: tuple[Alert, ...] = ()
    ended: tuple[Alert, ...] = ()
    objectives: tuple[Sample, ...] = ()
    readings: Mapping[str, int] = field(default_factory=dict)


Groups = Mapping[tuple[str, Labels], Sequence[Held]]
"""The series of each alert, by its rule and the labels that tell it from others."""


class Evaluator:
    """All rules and objectives of a fleet.

    What it measures over windows it remembers itself; all else is in the book.
    """

    def __init__(
        self,
        rules: Mapping[str, AlertRule],
        objectives: Mapping[str, Objective],
        book: Book = Book(),  # noqa: B008 (frozen)
    ) -> None:
        self.rules = {**rules, **burn_rules(objectives)}
        self._causes = muting.causes_of(self.rules)
        self._objectives = objectives
        self._ledgers = {
            name: Ledger(objective, book.ledgers.get(name, ()))
            for name, objective in objectives.items()
        }
        self._meters = self._fresh()

    def step(self, book: Book, samples: Iterable[Sample], now: float) -> Seen:
        """What is the matter by ``samples`` at ``now``, given what was known before.

        Args:
            now: seconds since 1970.
        """
        passed = now - book.at
        if not 0 <= passed <= STEP_MAX:
            self._meters = self._fresh()
        book = replace(book, at=now, steady=book.steady + min(max(passed, 0.0), STEP_MAX))
        index = indexed(samples)
        owed = self._count(index, book.steady)
        readings = self._read({**index, **indexed(owed)}, book.steady)
        silences = tuple(muting.in_force(book.silences, now))
        held = {
            name: kept
            for name, rule in self.rules.items()
            if (kept := lasting(rule, book.held.get(name, ()), readings[name], book))
        }
        after = replace(book, silences=silences, held=held)
        after = replace(after, past=muting.past(book, after, self.rules))
        after, ended = self._settled(book, after)
        alerts = self.alerts(after)
        return Seen(
            after,
            alerts,
            tuple(alert for alert in alerts if alert.fired == now),
            ended,
            tuple(owed),
            {name: len(found) for name, found in readings.items()},
        )

    def remembered(self, book: Book) -> Book:
        """``book`` with the ledgers as they are now, to be kept over a restart."""
        ledgers = {name: ledger.points for name, ledger in self._ledgers.items()}
        return replace(book, ledgers=ledgers)

    def alerts(self, book: Book) -> tuple[Alert, ...]:
        """Those that are pending or firing by ``book``, also after somebody changed it."""
        known = [record for record in book.records if record.rule in self.rules]
        return self._seen(known, self._groups(book), book)

    def _fresh(self) -> dict[str, Meter]:
        return {name: Meter(rule) for name, rule in self.rules.items()}

    def _count(self, index: Index, now: float) -> list[Sample]:
        found: list[Sample] = []
        for name, ledger in self._ledgers.items():
            ledger.add(index, now)
            found += ledger.samples(name)
        return found

    def _read(self, index: Index, now: float) -> dict[str, list[Reading]]:
        return {name: meter.read(index, now) for name, meter in self._meters.items()}

    def _settled(self, before: Book, after: Book) -> tuple[Book, tuple[Alert, ...]]:
        """``after`` with its records, and the alerts that are over, as they were at last."""
        groups = self._groups(after)
        ended = tuple(
            alert.model_copy(update={"state": AlertState.RESOLVED, "ended": after.at})
            for alert in self.alerts(before)
            if alert.fired is not None and (alert.rule, tuple(alert.labels.items())) not in groups
        )
        over = (*ended, *after.ended)[:ENDED_KEPT]
        return replace(after, records=self._kept(after, groups), ended=over), ended

    def _groups(self, book: Book) -> Groups:
        """The series that make an alert, for each of them."""
        return {
            (name, labels): group
            for name, held in book.held.items()
            if name in self.rules
            for labels, group in grouped(self.rules[name], held).items()
        }

    def _kept(self, book: Book, groups: Groups) -> tuple[Record, ...]:
        """A record of each alert that there is."""
        known = {(record.rule, record.labels): record for record in book.records}
        records = []
        for (name, labels), group in groups.items():
            record = known.get((name, labels))
            if record is None or (record.fired is not None and not _fires(group)):
                record = _begun(name, labels, group)
            if record.fired is None and _fires(group):
                record = replace(record, fired=book.at)
            records.append(record)
        return tuple(records)

    def _seen(self, records: Iterable[Record], groups: Groups, book: Book) -> tuple[Alert, ...]:
        causes = muting.Causes(self._causes, book)
        alerts = [
            self._alert(record, groups[record.rule, record.labels], book, causes)
            for record in records
        ]
        return muting.as_severe_as_what_follows(alerts)

    def _alert(
        self, record: Record, group: Sequence[Held], book: Book, causes: muting.Causes
    ) -> Alert:
        rule = self.rules[record.rule]
        counted = [one for one in group if one.firing or record.fired is None]
        series = [self._series(one, record.rule, book, causes) for one in counted]
        heard = [one for one in series if not one.muted] or series
        worst = _worst(rule, [one.value for one in heard])
        of = [one.labels for one in heard]
        return Alert(
            id=record.id,
            rule=record.rule,
            severity=worse(rule.severity, record.severity),
            state=AlertState.PENDING if record.fired is None else AlertState.FIRING,
            labels=dict(record.labels),
            summary=words.summary(record.rule, rule, of, worst=worst),
            hint=rule.hint,
            count=len(heard),
            series=tuple(heard[:SHOWN]),
            since=record.since,
            fired=record.fired,
            acknowledged=record.acknowledged,
            muted=heard[0].muted,
            level=record.level,
        )

    def _series(self, one: Held, name: str, book: Book, causes: muting.Causes) -> AlertSeries:
        rule = self.rules[name]
        cause = causes.of(name, one.labels, back=muting.looks_back(rule))
        silence = muting.silence(one.labels, name, rule.severity, book.silences)
        muted = f"{CAUSE}{cause}" if cause else f"silence: {silence.id}" if silence else ""
        return AlertSeries(labels=dict(one.labels), value=one.value, muted=muted)


def lasting(
    rule: AlertRule, before: Iterable[Held], readings: Iterable[Reading], book: Book
) -> tuple[Held, ...]:
    """The series whose condition holds, or held so short a time ago that it counts."""
    known = {one.labels: one for one in before}
    found = {}
    for reading in readings:
        last = known.pop(reading.labels, None)
        found[reading.labels] = _judged(rule, last, reading, book)
    for labels, last in known.items():
        found[labels] = _waned(last, max(rule.hold_off, MISSING), book.steady)
    return tuple(islice((one for one in found.values() if one is not None), HELD_MAX))


def _judged(rule: AlertRule, last: Held | None, reading: Reading, book: Book) -> Held | None:
    value = reading.value
    if value is None:  # not known yet: as it was
        return last
    if math.isnan(value) or not HOLDS[rule.comparison](value, rule.value):
        waits = last is not None and last.firing
        return _waned(last, rule.hold_off if waits else 0.0, book.steady)
    one = last or Held(reading.labels, value, since=book.at, began=book.steady)
    firing = one.firing or book.steady - one.began >= rule.for_
    return replace(one, value=value, firing=firing, quiet=None)


def _waned(last: Held | None, wait: float, now: float) -> Held | None:
    """A series whose condition does not hold, or cannot be seen: gone after ``wait``."""
    if last is None:
        return None
    quiet = now if last.quiet is None else last.quiet
    return replace(last, quiet=quiet) if now - quiet < wait else None


def grouped(rule: AlertRule, held: Iterable[Held]) -> dict[Labels, list[Held]]:
    """By the labels that tell alerts of one rule apart."""
    groups: defaultdict[Labels, list[Held]] = defaultdict(list)
    for one in held:
        labels = dict(one.labels)
        groups[tuple((name, labels.get(name, "")) for name in rule.each)].append(one)
    return groups


def _fires(group: Iterable[Held]) -> bool:
    return any(one.firing for one in group)


def _begun(name: str, labels: Labels, group: Sequence[Held]) -> Record:
    since = min(one.since for one in group)
    digest = hashlib.sha256(repr((name, labels, since)).encode()).hexdigest()[:6]
    return Record(f"{name}-{digest}", name, labels, since)


def _worst(rule: AlertRule, values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    low = rule.comparison in (Comparison.BELOW, Comparison.AT_MOST)
    return (min if low else max)(known, default=None)
