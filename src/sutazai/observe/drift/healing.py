"""What is put right now. Pure: the time comes in.

Few units at once, for a restart of all is worse than most drift, and never the same again and
again: after each try that did not help there is twice the wait. Code is accepted once and no more:
where its rollout went back, it was worse.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from sutazai.fleet.drift import Drift, DriftFinding, DriftKind, Heal
from sutazai.observe.drift.book import Book, Tried

AT_ONCE = 5
"""Units of one kind that something is done about after one look."""
FIRST_WAIT, LAST_WAIT = 60.0, 3600.0
"""Seconds from one try to the next, from the first to the last."""


def due(
    book: Book, drift: Drift, now: float, *, rolling: bool
) -> dict[DriftKind, tuple[DriftFinding, ...]]:
    """Findings that something is done about now, by kind; ``rolling`` is whether a rollout goes
    on."""
    if rolling:
        return {}
    kinds = [kind for kind in DriftKind if drift.rule(kind).heal == Heal.AUTO]
    chosen = {kind: _due(book, kind, now) for kind in kinds}
    return {kind: found for kind, found in chosen.items() if found}


def tried(book: Book, findings: Iterable[DriftFinding], now: float) -> Book:
    """The book once something was done about these."""
    done = tuple(findings)
    tries = {kind: dict(by_unit) for kind, by_unit in book.tries.items()}
    for unit, one in {one.unit: one for one in done}.items():
        before = tries.get(one.kind, {}).get(unit)
        again = before is not None and now - before.at < 2 * LAST_WAIT
        count = before.count + 1 if before is not None and again else 1
        tries.setdefault(one.kind, {})[unit] = Tried(one.seen, now, count)
    return replace(
        book,
        tries=tries,
        findings=tuple(
            one.model_copy(update={"healed": now}) if one in done else one for one in book.findings
        ),
    )


def _due(book: Book, kind: DriftKind, now: float) -> tuple[DriftFinding, ...]:
    tries = book.tries.get(kind, {})
    units: dict[str, list[DriftFinding]] = {}
    for one in book.findings:
        if one.kind is kind and _may_try(tries, one, now):
            units.setdefault(one.unit, []).append(one)
    most = len(units) if kind is DriftKind.CODE else AT_ONCE
    return tuple(one for findings in list(units.values())[:most] for one in findings)


def _may_try(tries: Mapping[str, Tried], one: DriftFinding, now: float) -> bool:
    last = tries.get(one.unit)
    if last is None:
        return True
    if one.kind is DriftKind.CODE:
        return last.seen != one.seen
    return now >= last.at + min(LAST_WAIT, FIRST_WAIT * 2.0 ** (last.count - 1))
