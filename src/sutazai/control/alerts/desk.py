"""Looks every ten seconds whether something is wrong, remembers it, and tells."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from sutazai.control.alerts.kept import Kept, read_kept, write_kept
from sutazai.fleet.alert_status import (
    Acknowledgement,
    Alert,
    AlertRuleStatus,
    AlertState,
    ObjectiveStatus,
    Silence,
    SilenceWanted,
    Waiting,
)
from sutazai.fleet.errors import BadInput, Conflict, NotFound, SutazaiError
from sutazai.fleet.ids import new_tag
from sutazai.fleet.spec import Fleet
from sutazai.observe.alerts import notices, outbox, reporting
from sutazai.observe.alerts.declared import objectives_of, rules_of
from sutazai.observe.alerts.evaluator import Evaluator, Seen
from sutazai.observe.alerts.notices import Notice, Word
from sutazai.observe.samples import Sample

EVERY = 10.0
KEEP_EVERY = 60.0
"""Seconds at most between two times that what goes on is written down."""
SILENCES_MAX = 100

log = logging.getLogger(__name__)


class Tell(Protocol):
    """Adds to the fleet's events."""

    def __call__(self, kind: str, message: str, **data: Any) -> Awaitable[None]: ...


@dataclass(frozen=True)
class Ends:
    """What the desk works with. ``path`` is the file that outlives it; ``collect`` gives the
    samples of the last look."""

    path: Path
    collect: Callable[[], Sequence[Sample]]
    tell: Tell


class AlertDesk:
    """All alerts of a fleet.

    Args:
        every: seconds between two looks.
        clock: seconds since 1970.

    Attributes:
        to_send: is set when there is something to send.
    """

    def __init__(
        self,
        fleet: Fleet,
        ends: Ends,
        *,
        every: float = EVERY,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.kept = read_kept(ends.path)
        self.to_send = asyncio.Event()
        self.to_send.set()
        self._notify = fleet.notify
        self._objectives = objectives_of(fleet)
        self._evaluator = Evaluator(rules_of(fleet), self._objectives, self.kept.book)
        self._seen = Seen(self.kept.book, self._evaluator.alerts(self.kept.book))
        self._ends = ends
        self._every = every
        self._clock = clock
        self._written = 0.0
        self._one_at_a_time = asyncio.Lock()

    async def run(self) -> None:
        """Looks until cancelled; what it knows is written down in the end."""
        try:
            while True:
                await self.look()
                await asyncio.sleep(self._every)
        finally:
            self._write()

    async def look(self) -> None:
        """Evaluates all rules once."""
        samples = self._ends.collect()
        now = self._clock()
        async with self._one_at_a_time:
            seen = await asyncio.to_thread(self._evaluator.step, self.kept.book, samples, now)
            book, new = notices.due(seen.book, seen.alerts, seen.ended, self._notify)
            letters, lost = outbox.with_notices(self.kept.outbox, new, now)
            self._seen = seen
            changed = bool(new or lost or seen.fired)
            await self._keep(Kept(book, letters), at_once=changed)
        for notice in new:
            await self._tell_of(notice)
        if lost:
            await self.tell("notification-lost", f"{len(lost)} notifications: too many wait")
        if new:
            self.to_send.set()

    async def settle(self, sent: frozenset[str], failed: frozenset[str]) -> None:
        """Takes letters off the outbox that were sent, and puts off those that were not."""
        async with self._one_at_a_time:
            left, lost = outbox.tried(self.kept.outbox, sent, failed, self._clock())
            await self._keep(replace(self.kept, outbox=left), at_once=True)
        for letter in lost:
            message = f"{letter.target} never took {letter.title!r}: it is given up"
            await self.tell("notification-lost", message, target=letter.target)

    @property
    def owed(self) -> Sequence[Sample]:
        """Samples of service levels, as metrics tell them."""
        return self._seen.objectives

    def due(self) -> outbox.Outbox:
        """What is to be sent now."""
        return outbox.due(self.kept.outbox, self._clock())

    async def tell(self, kind: str, message: str, **data: Any) -> None:
        """Adds to the fleet's events, where they can be kept."""
        try:
            await self._ends.tell(kind, message, **data)
        except SutazaiError as error:  # a full disk is one of the things that alerts are about
            log.warning("no event could be kept: %s: %s", message, error)

    # what can be asked for

    def alerts(self) -> list[Alert]:
        """What fires, what is pending, and what ended of late, newest first."""
        open_ = sorted(
            self._evaluator.alerts(self.kept.book),
            key=lambda alert: (alert.state is AlertState.PENDING, bool(alert.muted), alert.since),
        )
        return [*open_, *self.kept.book.ended]

    def alert(self, name: str) -> Alert:
        """One by its id, or by its rule where that has only one open. Raises NotFound."""
        alerts = self.alerts()
        open_ = [each for each in alerts if each.state is not AlertState.RESOLVED]
        of_rule = [each for each in open_ if each.rule == name]
        found = next((each for each in alerts if each.id == name), None)
        if found is None and len(of_rule) == 1:
            found = of_rule[0]
        if found is None:
            raise NotFound(f"there is no alert {name!r}", hint="sutazai alerts list")
        return found

    async def acknowledge(self, name: str, *, by: str, note: str) -> Alert:
        """Somebody looks after it: it is not escalated any further. Raises NotFound, Conflict."""
        async with self._one_at_a_time:
            alert = self.alert(name)
            if alert.state is AlertState.RESOLVED:
                raise Conflict(f"alert {alert.id} is over")
            word = Acknowledgement(by=by, at=self._clock(), note=note)
            book = self.kept.book.acknowledged(alert.id, word)
            await self._keep(replace(self.kept, book=book), at_once=True)
        message = f"{alert.rule}: {by or 'somebody'} looks after it" + (f": {note}" if note else "")
        await self.tell("alert-acknowledged", message, alert=alert.id, by=by)
        return self.alert(alert.id)

    def silences(self) -> list[Silence]:
        """Those that have not run out."""
        return [each for each in self.kept.book.silences if each.until > self._clock()]

    async def silence(self, wanted: SilenceWanted, *, instead_of: str | None = None) -> Silence:
        """Adds a silence, or changes one. Raises BadInput, NotFound, Conflict."""
        now = self._clock()
        if wanted.until <= now:
            raise BadInput("the silence would be over already", hint="set `until` to a later time")
        async with self._one_at_a_time:
            book, since = self.kept.book, now
            if instead_of is not None:
                since = self._silence(instead_of).since
                book = book.heard_again(instead_of)
            elif len(book.silences) >= SILENCES_MAX:
                raise Conflict(f"there are {SILENCES_MAX} silences already")
            made = Silence(id=instead_of or new_tag(), since=since, **wanted.model_dump())
            await self._keep(replace(self.kept, book=book.silenced(made)), at_once=True)
        await self.tell("silence-added", f"silence {made.id}: {reporting.silenced(made)}")
        return made

    async def end_silence(self, name: str) -> Silence:
        """Ends one. Raises NotFound."""
        async with self._one_at_a_time:
            ended = self._silence(name)
            book = self.kept.book.heard_again(name)
            await self._keep(replace(self.kept, book=book), at_once=True)
        await self.tell("silence-ended", f"silence {name} ended: {reporting.silenced(ended)}")
        return ended

    def rules(self) -> list[AlertRuleStatus]:
        """Every rule that is watched."""
        return reporting.rules(self._evaluator.rules, self._seen)

    def objectives(self) -> list[ObjectiveStatus]:
        """Every objective that is watched."""
        return reporting.objectives(self._objectives, self._seen.objectives)

    def waiting(self) -> list[Waiting]:
        """Notifications that are still to be taken by their targets."""
        fields = Waiting.model_fields
        return [
            Waiting(**{name: getattr(letter, name) for name in fields})
            for letter in self.kept.outbox
        ]

    def _silence(self, name: str) -> Silence:
        for each in self.silences():
            if each.id == name:
                return each
        raise NotFound(f"there is no silence {name!r}", hint="sutazai alerts silences")

    async def _tell_of(self, notice: Notice) -> None:
        alert = notice.alert
        again = f", for the {notice.level}. time" if notice.word is Word.ESCALATED else ""
        await self.tell(
            f"alert-{notice.word}",
            f"{alert.severity} {alert.rule}{again}: {alert.summary}",
            alert=alert.id,
            rule=alert.rule,
            severity=alert.severity.value,
        )

    async def _keep(self, kept: Kept, *, at_once: bool) -> None:
        self.kept = kept
        if at_once or not 0 <= self._clock() - self._written < KEEP_EVERY:
            await asyncio.to_thread(self._write)

    def _write(self) -> None:
        book = self._evaluator.remembered(self.kept.book)
        try:
            write_kept(self._ends.path, replace(self.kept, book=book))
            self._written = self._clock()
        except OSError as error:
            log.warning("alerts cannot be written down: %s", error)
