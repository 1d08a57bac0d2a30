"""Keeps samples in a file and gives them back. Blocks; of one thread.

Each look is a strip: all series at one time, written at once. Strips that fill a window of the next
tier are merged into one of its strips; many of those are packed by series, which is how they are
read. All of that happens in the transaction of the look, and goes by the order of the strips and
never by the clock (`tiers`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from sqlite3 import Connection

from sutazai.observe.history.catalogue import Catalogue
from sutazai.observe.history.file import HistoryFile
from sutazai.observe.history.points import Point, Points, drawn, step_for
from sutazai.observe.history.reading import points_of
from sutazai.observe.history.rolling import add, numbers_in_use
from sutazai.observe.history.strips import Strip
from sutazai.observe.history.tiers import TIERS, Tier, tier_for
from sutazai.observe.samples import Sample

POINTS_MAX = 200_000
"""Most points of one answer, of all its series together."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """The series of a name that have ``labels`` at least, over a time in seconds since 1970.

    Args:
        now: the same clock's time now.
        points: most of each series.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    start: float
    end: float
    now: float
    points: int


class History:
    """What was measured of the fleet, in the file at ``path``."""

    def __init__(self, path: Path, tiers: Sequence[Tier] = TIERS) -> None:
        self._file = HistoryFile(path)
        self._tiers = tiers
        self._catalogue = Catalogue()

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._file.size

    def record(self, at: float, samples: Iterable[Sample]) -> None:
        """Adds one look; ``at`` in seconds since 1970. Raises DiskFull or Unavailable."""
        look = [*samples]
        self._file.run(lambda connection: self._record(connection, int(at), look))

    def read(self, query: Query) -> list[Points]:
        """The series that are asked for, by their labels. Raises DiskFull or Unavailable."""
        return self._file.run(lambda connection: self._read(connection, query))

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()

    def _record(self, connection: Connection, at: int, samples: Sequence[Sample]) -> None:
        self._catalogue.meet(connection)
        values: dict[int, float] = {}
        for sample in samples:
            number = self._catalogue.number((sample.name, sample.labels))
            if number is not None:
                values[number] = sample.value
        means = [*values.values()]
        if add(connection, self._tiers, Strip(at, [*values], means, means, means)):
            self._catalogue.keep(numbers_in_use(connection))

    def _read(self, connection: Connection, query: Query) -> list[Points]:
        self._catalogue.meet(connection)
        series = self._catalogue.find(query.name, query.labels)
        start, end = query.start, query.end
        span, points = max(1.0, end - start), min(query.points, POINTS_MAX // max(1, len(series)))
        tier = tier_for(self._tiers, age=query.now - start, span=span, points=points)
        found: defaultdict[int, list[Point]] = defaultdict(list)
        for number, point in points_of(connection, tier, series, start=start, end=end):
            found[number].append(point)
        step = step_for(tier.step, span=span, points=points)
        ordered = sorted(series.items(), key=lambda one: one[1])
        return [drawn(found[number], labels, step) for number, labels in ordered if found[number]]
