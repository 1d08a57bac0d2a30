"""What is still to be sent to whom, and when it is tried again. Pure.

A notice is in the outbox until its target took it, so it may be sent twice, and is lost only where
it was tried for a day or the outbox is full. Times are seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from pydantic import TypeAdapter

from sutazai.fleet.alert_status import Alert
from sutazai.fleet.alerting import Severity
from sutazai.observe.alerts.notices import Notice, Word

BOUND = 500
AT_ONCE = 20
FIRST, MOST = 5.0, 300.0
"""Seconds until the second try, and at most between two."""
GIVEN_UP = 86_400.0


@dataclass(frozen=True, slots=True)
class Letter:
    """One notice for one target. ``again`` is when it is tried next."""

    id: str
    target: str
    word: Word
    severity: Severity
    title: str
    body: str
    written: float
    again: float
    tries: int = 0


Outbox = tuple[Letter, ...]
OUTBOX: TypeAdapter[Outbox] = TypeAdapter(Outbox)


def with_notices(
    outbox: Outbox, notices: Iterable[Notice], now: float
) -> tuple[Outbox, tuple[Letter, ...]]:
    """The outbox with a letter more for each target; and what no longer fits: the least severe,
    of those the oldest."""
    new = [_letter(notice, target, now) for notice in notices for target in notice.targets]
    letters = [*outbox, *new]
    ranks = list(Severity)
    order = sorted(letters, key=lambda letter: (ranks.index(letter.severity), letter.written))
    lost = order[: max(0, len(letters) - BOUND)]
    return tuple(letter for letter in letters if letter not in lost), tuple(lost)


def due(outbox: Outbox, now: float) -> Outbox:
    """What is to be tried now, the oldest first. A clock that was set back makes nothing wait."""
    waiting = (each for each in outbox if not now < each.again <= now + MOST)
    return tuple(waiting)[:AT_ONCE]


def tried(
    outbox: Outbox, sent: Collection[str], failed: Collection[str], now: float
) -> tuple[Outbox, tuple[Letter, ...]]:
    """The outbox after letters, by id, were taken by their targets or not; and those that are given
    up."""
    left = [_later(letter, now) if letter.id in failed else letter for letter in outbox]
    lost = {each.id for each in left if each.id in failed and now - each.written >= GIVEN_UP}
    kept = tuple(letter for letter in left if letter.id not in lost and letter.id not in sent)
    return kept, tuple(letter for letter in left if letter.id in lost)


def _later(letter: Letter, now: float) -> Letter:
    wait = min(MOST, FIRST * 2.0 ** min(letter.tries, 10))
    return replace(letter, tries=letter.tries + 1, again=now + wait)


def _letter(notice: Notice, target: str, now: float) -> Letter:
    alert = notice.alert
    return Letter(
        id=f"{alert.id}/{notice.word}/{notice.level}/{target}",
        target=target,
        word=notice.word,
        severity=alert.severity,
        title=_title(notice),
        body=_body(alert),
        written=now,
        again=now,
    )


def _title(notice: Notice) -> str:
    alert = notice.alert
    if notice.word is Word.RESOLVED:
        return f"resolved: {alert.rule}"
    again = f", told again ({notice.level})" if notice.word is Word.ESCALATED else ""
    return f"{alert.severity}: {alert.rule}{again}"


def _body(alert: Alert) -> str:
    hint = f"\n{alert.hint}" if alert.hint else ""
    return f"{alert.summary}{hint}\nsutazai alerts ack {alert.id}"
