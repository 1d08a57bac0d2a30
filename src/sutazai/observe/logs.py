"""What units and the house's own processes wrote, line by line. Pure.

The host notes `TIME INSTANCE | TEXT`, keeper and host themselves write `TIME keeper: TEXT`; a line
without a time (the rest of a traceback) is of the time of the one before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

_LINE = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d{4})) (\S+?)(?: \||:) ?(.*)", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class LogLine:
    """``at`` is in seconds since 1970, ``source`` the instance or process that wrote it."""

    at: float
    unit: str
    source: str
    text: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Lines since a time in which a pattern is found."""

    since: float = 0.0
    pattern: re.Pattern[str] | None = None

    def has(self, line: LogLine) -> bool:
        """Whether this one is wanted."""
        found = self.pattern is None or self.pattern.search(line.text)
        return line.at >= self.since and bool(found)


def lines_of(unit: str, texts: Iterable[str], at: float = 0.0) -> Iterator[LogLine]:
    """The lines of a unit's log, in their order; ``at`` is for those before the first time."""
    for text in texts:
        found = _LINE.fullmatch(text)
        moment = _moment(found[1]) if found else None
        if found and moment is not None:
            at = moment
            yield LogLine(at, unit, found[2], found[3])
        else:
            yield LogLine(at, unit, unit, text)


def _moment(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
