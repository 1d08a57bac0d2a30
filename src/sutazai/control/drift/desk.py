"""Looks now and then whether anything runs otherwise than it is declared, tells of it, and has it
put right where that is declared."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from sutazai.control.alerts.desk import Tell
from sutazai.control.drift.mending import Mend
from sutazai.fleet.drift import Drift, DriftFinding, DriftKind, DriftReport, Heal
from sutazai.fleet.errors import SutazaiError
from sutazai.fleet.files import replace_file
from sutazai.observe.drift import healing
from sutazai.observe.drift.accepted import Digests
from sutazai.observe.drift.book import BOOK, Book, declared, note, report
from sutazai.observe.drift.facts import Look

SURE_AFTER = 1.0
"""Seconds after which a kind is looked at again of which something differed for the first time."""

log = logging.getLogger(__name__)


class Eyes(Protocol):
    """What the desk looks with; see `Looker`."""

    digests: Digests

    def looks(self) -> Mapping[DriftKind, Callable[[], Awaitable[Look]]]: ...


@dataclass(frozen=True, kw_only=True)
class Ends:
    """What the desk works with.

    Args:
        path: the file that outlives it.
        mends: puts right what can be.
        rolling: whether a rollout goes on.
    """

    path: Path
    eyes: Eyes
    mends: Mapping[DriftKind, Mend]
    rolling: Callable[[], bool]
    tell: Tell


class DriftDesk:
    """All drift of a fleet.

    Args:
        revision: of the fleet.
        units: what it declares.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        drift: Drift,
        ends: Ends,
        *,
        revision: int,
        units: Iterable[str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._drift = drift
        self._ends = ends
        self._clock = clock
        self._book = declared(_read(ends.path), drift, revision=revision, units=frozenset(units))
        self._kept = self._book
        self._looks = ends.eyes.looks()
        self._due = {kind: 0.0 for kind in DriftKind if drift.rule(kind).heal != Heal.OFF}
        self._blind: dict[DriftKind, str] = {}
        self._at = 0.0
        ends.eyes.digests = self._book.digests

    def report(self) -> DriftReport:
        """What was found by now."""
        return report(self._book, self._at, self._blind.values())

    async def run(self) -> None:
        """Looks at each kind when it is due, until cancelled."""
        while self._due:
            now = time.monotonic()
            due = [kind for kind, at in self._due.items() if at <= now]
            await self.look(due)
            await self.mend()
            for kind in due:
                pause = self._drift.rule(kind).every
                unsure = kind in self._book.unsure
                self._due[kind] = time.monotonic() + (min(pause, SURE_AFTER) if unsure else pause)
            await asyncio.sleep(max(0.0, min(self._due.values()) - time.monotonic()))

    async def look(self, kinds: Iterable[DriftKind]) -> None:
        """Looks at these once, and tells of what changed."""
        for kind in kinds:
            try:
                seen = await self._looks[kind]()
            except (SutazaiError, OSError) as error:  # what was seen before holds
                self._blind[kind] = f"{kind}: {error}"
            else:
                self._blind.pop(kind, None)
                await self._note(kind, seen)
        self._at = self._clock()
        await self._keep()

    async def mend(self) -> None:
        """Does something about what is due."""
        rolling = self._ends.rolling()
        due = healing.due(self._book, self._drift, self._clock(), rolling=rolling)
        for kind, findings in due.items():
            self._book = healing.tried(self._book, findings, self._clock())
            await self._keep()  # before it is done: what follows may be the end of this process
            await self._mend(kind, findings)

    async def _mend(self, kind: DriftKind, findings: Sequence[DriftFinding]) -> None:
        try:
            await self._ends.mends[kind](findings)
        except (SutazaiError, OSError) as error:
            units = ", ".join(dict.fromkeys(one.unit for one in findings))
            await self._ends.tell("drift-stays", f"{kind} of {units} is not put right: {error}")

    async def _note(self, kind: DriftKind, seen: Look) -> None:
        noted = note(self._book, kind, seen, self._clock())
        self._book = replace(noted.book, digests=self._ends.eyes.digests)
        for one in noted.found:
            await self._tell("drift-found", one, f"{one.seen}, not {one.expected}")
        for one in noted.gone:
            healed = one.healed is not None
            await self._tell("drift-healed" if healed else "drift-gone", one, "as declared again")

    async def _tell(self, event: str, one: DriftFinding, how: str) -> None:
        whose = one.instance or one.unit
        await self._ends.tell(
            event, f"{one.kind}: {one.what} of {whose}: {how}", unit=one.unit, what=one.what
        )

    async def _keep(self) -> None:
        """Writes what must outlive this process, where that changed."""
        lasting = replace(self._book, seen={})
        if lasting == self._kept:
            return
        try:
            await asyncio.to_thread(replace_file, self._ends.path, BOOK.dump_json(lasting))
        except OSError as error:  # a full disk: it is tried again with the next change
            log.warning("what drifts cannot be kept: %s", error)
        else:
            self._kept = lasting


def _read(path: Path) -> Book:
    """What was kept; nothing where there is none or it cannot be read, for it is found again."""
    try:
        return BOOK.validate_json(path.read_bytes())
    except FileNotFoundError:
        return Book()
    except (OSError, ValidationError) as error:
        log.warning("%s cannot be used, going on without it: %s", path, error)
        return Book()
