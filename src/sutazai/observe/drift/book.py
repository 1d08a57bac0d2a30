"""What is known of drift from one look to the next, and over restarts. Pure: the time comes in.

What is on its way from one state to another differs for a moment. So a difference counts once it
was seen twice, the same both times.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace

from pydantic import TypeAdapter

from sutazai.fleet.drift import Drift, DriftFinding, DriftKind, DriftReport, Heal
from sutazai.observe.drift.accepted import Digests
from sutazai.observe.drift.facts import Fact, Look

HEALED_MAX = 50
"""Findings that are no more and are still shown."""

Sight = tuple[str, str, str, str]
"""Unit, instance, what, and how it was seen."""


@dataclass(frozen=True)
class Tried:
    """What was last done about drift of one kind at one unit, and how often in a row."""

    seen: str
    at: float
    count: int = 1


Tries = Mapping[DriftKind, Mapping[str, Tried]]
"""By kind and unit."""


@dataclass(frozen=True)
class Seen:
    """The last look at one kind: how many facts there were, and what differed for the first
    time."""

    checked: int = 0
    suspects: frozenset[Sight] = frozenset()
    unchecked: tuple[str, ...] = ()


@dataclass(frozen=True)
class Book:
    """Everything that is remembered. ``digests`` are the models' of ``revision``."""

    revision: int = 0
    digests: Digests = field(default_factory=dict)
    findings: tuple[DriftFinding, ...] = ()
    healed: tuple[DriftFinding, ...] = ()
    tries: Tries = field(default_factory=dict)
    seen: Mapping[DriftKind, Seen] = field(default_factory=dict)

    @property
    def unsure(self) -> frozenset[DriftKind]:
        """Kinds of which something differed for the first time: they are worth another look."""
        return frozenset(kind for kind, seen in self.seen.items() if seen.suspects)


@dataclass(frozen=True)
class Noted:
    """The book after a look, and what that changed."""

    book: Book
    found: tuple[DriftFinding, ...] = ()
    gone: tuple[DriftFinding, ...] = ()


BOOK: TypeAdapter[Book] = TypeAdapter(Book)


def note(book: Book, kind: DriftKind, look: Look, now: float) -> Noted:
    """Takes a look at one kind into the book."""
    drifting = {_place(fact): fact for fact in look.facts if fact.drifts}
    before = {_place_of(one): one for one in book.findings if one.kind is kind}
    suspected = book.seen.get(kind, Seen()).suspects
    sure = {place: fact for place, fact in drifting.items() if _sight(fact) in suspected}
    found = tuple(_finding(fact, now) for place, fact in sure.items() if place not in before)
    gone = tuple(one for place, one in before.items() if place not in drifting)
    kept = tuple(
        one.model_copy(update={"expected": drifting[place].expected, "seen": drifting[place].seen})
        for place, one in before.items()
        if place in drifting
    )
    others = tuple(one for one in book.findings if one.kind is not kind)
    unknown = drifting.keys() - before.keys() - sure.keys()
    seen = Seen(
        checked=len(look.facts) + look.same,
        suspects=frozenset(_sight(drifting[place]) for place in unknown),
        unchecked=look.unchecked,
    )
    after = replace(
        book,
        findings=(*others, *kept, *found),
        healed=(*book.healed, *(one for one in gone if one.healed is not None))[-HEALED_MAX:],
        seen={**book.seen, kind: seen},
    )
    return Noted(after, found, gone)


def declared(book: Book, drift: Drift, *, revision: int, units: Container[str]) -> Book:
    """The book as a control of that revision goes on with it; ``units`` are what it declares."""
    watched = {kind for kind in DriftKind if drift.rule(kind).heal != Heal.OFF}
    return replace(
        book,
        revision=revision,
        digests=book.digests if book.revision == revision else {},
        findings=tuple(one for one in book.findings if one.kind in watched),
        tries={
            kind: {unit: each for unit, each in by_unit.items() if unit in units}
            for kind, by_unit in book.tries.items()
        },
        seen={},
    )


def report(book: Book, at: float, also: Iterable[str] = ()) -> DriftReport:
    """What people are shown; ``also`` is what else could not be looked at."""
    by_kind = {kind: seen.checked for kind, seen in book.seen.items()}
    checked = sum(by_kind.values())
    unchecked = (line for seen in book.seen.values() for line in seen.unchecked)
    return DriftReport(
        at=at,
        score=len(book.findings) / checked if checked else 0.0,
        checked=checked,
        by_kind=by_kind,
        findings=book.findings,
        healed=book.healed,
        unchecked=(*unchecked, *also),
    )


def _place(fact: Fact) -> tuple[str, str, str]:
    return fact.unit, fact.instance, fact.what


def _place_of(finding: DriftFinding) -> tuple[str, str, str]:
    return finding.unit, finding.instance, finding.what


def _sight(fact: Fact) -> Sight:
    return *_place(fact), fact.seen


def _finding(fact: Fact, now: float) -> DriftFinding:
    return DriftFinding(
        kind=fact.kind,
        unit=fact.unit,
        what=fact.what,
        expected=fact.expected,
        seen=fact.seen,
        since=now,
        instance=fact.instance,
    )
