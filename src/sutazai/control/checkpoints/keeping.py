"""Names of checkpoints, which of them are kept, and when the next is due. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

AGAIN = 300.0
"""Most seconds until one that could not be made is tried again."""
_STAMP = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"(?P<fleet>[a-z][a-z0-9-]*)-(?P<stamp>\d{8}T\d{6}Z)-(?P<tag>[0-9a-z]+)")


def name_of(fleet: str, at: float, tag: str) -> str:
    """The name of one that is made ``at`` seconds since 1970; names of a fleet sort by that."""
    return f"{fleet}-{stamp_of(at)}-{tag}"


def stamp_of(at: float) -> str:
    """Seconds since 1970 as a part of a name, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime(_STAMP)


def time_of(name: str) -> float | None:
    """When it was made, by its name; None for what is no checkpoint's name."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    try:
        return datetime.strptime(found["stamp"], _STAMP).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def newest_first(names: Iterable[str], fleet: str | None = None) -> list[str]:
    """Those that are checkpoints, of ``fleet`` alone where it is given: several may share a
    place."""
    times = {name: time_of(name) for name in names if fleet in (None, _fleet(name))}
    known = {name: at for name, at in times.items() if at is not None}
    return sorted(known, key=lambda name: (known[name], name), reverse=True)


def surplus(newest: Sequence[str], good: Mapping[str, bool], keep: int, made: str) -> list[str]:
    """Those that can go: whatever is older than the last ``keep`` good ones.

    One that is damaged counts for nothing. ``made`` stays, whatever a clock that jumped says of it.
    """
    kept = 1
    for place, name in enumerate(newest):
        if kept >= keep:
            return [old for old in newest[place:] if old != made]
        kept += name != made and good[name]
    return []


def due(made: float | None, failed: float | None, every: float) -> float:
    """When the next is to be made; ``made`` and ``failed`` are when that was done last."""
    if failed is not None:
        return failed + min(every, AGAIN)
    return 0.0 if made is None else made + every


def no_later(at: float | None, now: float) -> float | None:
    """A time that a clock which was set back makes one to come counts as now."""
    return None if at is None else min(at, now)


def _fleet(name: str) -> str | None:
    found = _NAME.fullmatch(name)
    return found["fleet"] if found else None
