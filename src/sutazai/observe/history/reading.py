"""Finds the points of some series in one tier."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from sqlite3 import Connection

from sutazai.observe.history.points import Point
from sutazai.observe.history.strips import strip_of, times_of, unpacked
from sutazai.observe.history.tiers import Tier

Found = tuple[int, Point]
"""The number of a series and a point of it."""


def points_of(
    connection: Connection, tier: Tier, series: Collection[int], *, start: float, end: float
) -> Iterator[Found]:
    """What ``tier`` has of ``series`` from ``start`` to ``end``, in seconds since 1970."""
    yield from _packed(connection, tier, series, start, end)
    rows = connection.execute(
        "SELECT at, ids, mean, low, high FROM strips WHERE step = ? AND at BETWEEN ? AND ?"
        " ORDER BY number",
        (tier.step, start, end),
    )
    ids, places = b"", _places((), series)
    for row in rows:
        strip = strip_of(*row)
        if row[1] != ids:  # it hardly ever is another
            ids, places = row[1], _places(strip.ids, series)
        for number, place in places:
            yield number, (strip.at, strip.mean[place], strip.low[place], strip.high[place])


def _packed(
    connection: Connection, tier: Tier, series: Collection[int], start: float, end: float
) -> Iterator[Found]:
    packs = connection.execute(
        "SELECT number, times FROM packs WHERE step = ? AND last >= ? AND first <= ?"
        " ORDER BY number",
        (tier.step, start, end),
    ).fetchall()
    for pack, blob in packs:
        times = times_of(blob)
        for number in series:
            chunk = connection.execute(
                "SELECT data FROM chunks WHERE pack = ? AND series = ?", (pack, number)
            ).fetchone()
            for point in zip(times, *unpacked(chunk[0]), strict=True) if chunk else ():
                if start <= point[0] <= end:
                    yield number, point


def _places(ids: Sequence[int], series: Collection[int]) -> list[tuple[int, int]]:
    """Where in a strip which series is."""
    return [(number, place) for place, number in enumerate(ids) if number in series]
