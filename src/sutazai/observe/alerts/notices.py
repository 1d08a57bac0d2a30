"""Who is told of which alert, when, and how often: waiting, escalation, the end. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from sutazai.fleet.alert_status import Alert, AlertState
from sutazai.fleet.alerting import Notify
from sutazai.observe.alerts.book import Book, Record


class Word(StrEnum):
    """What a notice says of an alert."""

    FIRING = "firing"
    ESCALATED = "escalated"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell. ``level`` counts escalations; ``targets`` are names."""

    word: Word
    alert: Alert
    level: int
    targets: tuple[str, ...]


def due(
    book: Book, alerts: Sequence[Alert], ended: Iterable[Alert], notify: Notify
) -> tuple[Book, tuple[Notice, ...]]:
    """What is to be told now, and the book that remembers that it was."""
    by_id = {alert.id: alert for alert in alerts}
    records, notices = [], [*_ends(ended, notify)]
    for record in book.records:
        after, word = _next(record, by_id[record.id], book.steady, notify)
        records.append(replace(after, severity=by_id[record.id].severity))
        if word is not None:
            alert = by_id[record.id].model_copy(update={"level": after.level})
            notices.append(Notice(word, alert, after.level, _told(alert, after.level, notify)))
    return replace(book, records=tuple(records)), tuple(notices)


def level(waited: float, times: Sequence[float]) -> int:
    """How far an alert is to be escalated that nobody acknowledged for so many seconds."""
    return sum(waited >= each for each in times)


def _next(record: Record, alert: Alert, now: float, notify: Notify) -> tuple[Record, Word | None]:
    if alert.state is not AlertState.FIRING or alert.muted:
        # Once it is heard again it waits again; but nobody is told twice of one level.
        return replace(record, heard=None), None
    if record.heard is None:
        record = replace(record, heard=now)
    waited = now - (record.heard or 0.0)
    if record.level < 0:
        return (replace(record, level=0), Word.FIRING) if waited >= notify.wait else (record, None)
    wanted = level(waited, notify.escalate)
    if record.acknowledged is not None or wanted <= record.level:
        return record, None
    return replace(record, level=wanted), Word.ESCALATED


def _ends(ended: Iterable[Alert], notify: Notify) -> Iterator[Notice]:
    """Those who were told of an alert hear of its end."""
    for alert in ended:
        if alert.level >= 0:
            told = _told(alert, alert.level, notify)
            wanted = tuple(name for name in told if notify.targets[name].resolved)
            yield Notice(Word.RESOLVED, alert, alert.level, wanted)


def _told(alert: Alert, reached: int, notify: Notify) -> tuple[str, ...]:
    return tuple(
        name
        for name, target in notify.targets.items()
        if target.level <= reached and alert.severity in target.severities
    )
