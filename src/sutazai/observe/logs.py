"""What units and the house's own processes wrote, line by line. Pure.

The host notes `TIME INSTANCE | TEXT`, or JSON objects where the fleet file says so; keeper and host
themselves write `TIME keeper: TEXT`. A line without a time is of the time of the one before. What
goes on with the line before (the rest of a traceback) has its level and is about its work.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from sutazai.fleet.log_lines import LEVELS, Said, object_in, said_in

_LINE = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d{4})) (\S+?)(?: \||:) ?(.*)", re.DOTALL
)
_TRACEBACK = "Traceback (most recent call last):"


@dataclass(frozen=True, slots=True)
class LogLine:
    """``at`` is in seconds since 1970, ``source`` the instance or process that wrote it; ``rest``
    says that it goes on with what that wrote before."""

    at: float
    unit: str
    source: str
    said: Said
    rest: bool = False

    @property
    def text(self) -> str:
        """As people read it, without what it is about."""
        said = self.said
        if self.rest:
            return said.message
        logger = f"{said.logger}:" if said.logger not in ("", said.agent) else ""
        head = " ".join(part for part in (said.level, logger, said.message) if part)
        return f"{head}\n{said.exception}" if said.exception else head


@dataclass(frozen=True, slots=True)
class Wanted:
    """Lines since a time, of a level at least, in which a pattern is found, about a task, about a
    run; what is empty is not asked for. A line is about work that it names, too."""

    since: float = 0.0
    pattern: re.Pattern[str] | None = None
    level: str = ""
    task: str = ""
    run: str = ""

    def has(self, line: LogLine) -> bool:
        """Whether this one is wanted."""
        return (
            line.at >= self.since
            and (not self.level or _rank(line.said.level) >= _rank(self.level))
            and _is_about(self.task, line.said.task, line)
            and _is_about(self.run, line.said.run, line)
            and (self.pattern is None or self.pattern.search(line.text) is not None)
        )


def lines_of(unit: str, texts: Iterable[str], at: float = 0.0) -> Iterator[LogLine]:
    """The lines of a unit's log, in their order; ``at`` is for those before the first time."""
    talk = _Talk()
    for text in texts:
        if (found := object_in(text)) is not None:
            at = _moment(found["time"]) or at
            yield LogLine(at, unit, str(found.get("instance", unit)), said_in(text))
            continue
        parts = _LINE.fullmatch(text)
        moment = _moment(parts[1]) if parts else None
        if parts and moment is not None:
            at = moment
            yield talk.line(LogLine(at, unit, parts[2], said_in(parts[3])))
        else:
            yield talk.line(LogLine(at, unit, unit, said_in(text)))


@dataclass(slots=True)
class _Talk:
    """What each source said last: what comes after it may belong to that."""

    last: dict[str, Said] = field(default_factory=dict)
    tracebacks: set[str] = field(default_factory=set)

    def line(self, line: LogLine) -> LogLine:
        source, said = line.source, line.said
        if said.level:
            self.tracebacks.discard(source)
        elif said.message == _TRACEBACK:  # of what nobody caught, so no logger has seen it
            self.tracebacks.add(source)
            said = replace(self.last.get(source, said), message=_TRACEBACK, level="ERROR")
        elif (last := self.last.get(source)) is not None:
            return self._after(line, last)
        else:
            return line
        self.last[source] = said
        return replace(line, said=said, rest=not line.said.level)

    def _after(self, line: LogLine, last: Said) -> LogLine:
        further = not line.said.message or line.said.message[0].isspace()
        if not further and line.source not in self.tracebacks:
            del self.last[line.source]
            return line
        if not further:  # what was raised is the last line of a traceback
            self.tracebacks.discard(line.source)
        return replace(line, said=replace(last, message=line.said.message), rest=True)


def _is_about(wanted: str, about: str, line: LogLine) -> bool:
    return not wanted or wanted == about or wanted in line.said.message


def _rank(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else -1


def _moment(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
