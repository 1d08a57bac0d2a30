"""What is known of alerts from one evaluation to the next, and over restarts.

Times called ``at``, ``since``, ``fired`` and ``ended`` are seconds since 1970, for people. All that
is decided goes by ``steady``: seconds that were watched, which a clock that jumps cannot change.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from pydantic import TypeAdapter

from sutazai.fleet.alert_status import Acknowledgement, Alert, Silence
from sutazai.fleet.alerting import Severity
from sutazai.observe.alerts.objectives import Point
from sutazai.observe.samples import Labels


@dataclass(frozen=True, slots=True)
class Held:
    """One series whose condition holds, or held a moment ago.

    ``began`` is since when, ``quiet`` since when it does no more; both steady.
    """

    labels: Labels
    value: float | None
    since: float
    began: float
    firing: bool = False
    quiet: float | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """One series of a cause that is over since ``over`` (steady)."""

    labels: Labels
    over: float


@dataclass(frozen=True, slots=True)
class Record:
    """One alert that is not over. ``heard`` is since when there is something to tell (steady),
    ``level`` how far it was told, -1 for not yet; ``severity`` is the worst that it had."""

    id: str
    rule: str
    labels: Labels
    since: float
    fired: float | None = None
    heard: float | None = None
    level: int = -1
    severity: Severity = Severity.INFO
    acknowledged: Acknowledgement | None = None


@dataclass(frozen=True)
class Book:
    """Everything that must be remembered. ``held`` and ``past`` are by rule, ``ledgers`` by
    objective."""

    at: float = 0.0
    steady: float = 0.0
    held: dict[str, tuple[Held, ...]] = field(default_factory=dict)
    past: dict[str, tuple[Past, ...]] = field(default_factory=dict)
    records: tuple[Record, ...] = ()
    ended: tuple[Alert, ...] = ()
    silences: tuple[Silence, ...] = ()
    ledgers: dict[str, tuple[Point, ...]] = field(default_factory=dict)

    def acknowledged(self, alert: str, by: Acknowledgement) -> Book:
        """With one alert looked after."""
        records = (
            replace(record, acknowledged=by) if record.id == alert else record
            for record in self.records
        )
        return replace(self, records=tuple(records))

    def silenced(self, silence: Silence) -> Book:
        """With one silence more."""
        return replace(self, silences=(*self.silences, silence))

    def heard_again(self, silence: str) -> Book:
        """Without one of the silences."""
        left = tuple(each for each in self.silences if each.id != silence)
        return replace(self, silences=left)


BOOK: TypeAdapter[Book] = TypeAdapter(Book)
