"""Strips on their way through the tiers: merged, packed and in the end let go."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import pairwise
from sqlite3 import Connection

from sutazai.observe.history.strips import Strip, merged, packed, strip_of, times_blob
from sutazai.observe.history.tiers import Tier, closed


def add(connection: Connection, tiers: Sequence[Tier], strip: Strip) -> bool:
    """Adds a look to the finest tier, and does what follows from it; whether series may have gone
    for good."""
    _insert(connection, tiers[0], strip)
    for fine, coarse in pairwise(tiers):
        if not _merge(connection, fine, coarse):
            break
    done = [_pack(connection, tier) for tier in tiers if tier.packed]
    for tier in tiers:
        _retire(connection, tier)
    return any(done)


def numbers_in_use(connection: Connection) -> set[int]:
    """The series of which there is anything."""
    chunks = connection.execute("SELECT DISTINCT series FROM chunks")
    strips = connection.execute("SELECT DISTINCT ids FROM strips")
    return {number for (number,) in chunks}.union(*(array("I", blob) for (blob,) in strips))


def _insert(connection: Connection, tier: Tier, strip: Strip) -> None:
    connection.execute(
        "INSERT INTO strips (step, at, ids, mean, low, high) VALUES (?, ?, ?, ?, ?, ?)",
        (tier.step, strip.at, *strip.blobs),
    )


def _merge(connection: Connection, fine: Tier, coarse: Tier) -> int:
    """Merges the windows of ``fine`` that are closed into strips of ``coarse``; how many."""
    done = connection.execute("SELECT number FROM merged WHERE step = ?", (coarse.step,)).fetchone()
    waiting = connection.execute(
        "SELECT number, at FROM strips WHERE number > ? AND step = ? ORDER BY number",
        (done[0] if done else 0, fine.step),
    )
    windows = closed(waiting.fetchall(), coarse.step)
    for begin, numbers in windows:
        strips = _strips(connection, fine, numbers[0], numbers[-1])
        _insert(connection, coarse, merged(strips, begin))
        connection.execute(
            "INSERT OR REPLACE INTO merged VALUES (?, ?)", (coarse.step, numbers[-1])
        )
    return len(windows)


def _pack(connection: Connection, tier: Tier) -> bool:
    """Packs the oldest strips of a tier by series, once there are twice as many; whether it did."""
    rows = connection.execute(
        "SELECT number FROM strips WHERE step = ? ORDER BY number", (tier.step,)
    ).fetchall()
    if len(rows) < 2 * tier.packed:
        return False
    first, last = rows[0][0], rows[tier.packed - 1][0]
    strips = _strips(connection, tier, first, last)
    times = [strip.at for strip in strips]
    pack = connection.execute(
        "INSERT INTO packs (step, first, last, times) VALUES (?, ?, ?, ?)",
        (tier.step, min(times), max(times), times_blob(times)),
    ).lastrowid
    connection.executemany(
        "INSERT INTO chunks VALUES (?, ?, ?)",
        ((pack, series, data) for series, data in packed(strips).items()),
    )
    connection.execute("DELETE FROM strips WHERE step = ? AND number <= ?", (tier.step, last))
    return True


def _retire(connection: Connection, tier: Tier) -> None:
    """Lets go of what is more than is kept."""
    connection.execute(
        "DELETE FROM strips WHERE step = ? AND number <= (SELECT number FROM strips WHERE step = ?"
        " ORDER BY number DESC LIMIT 1 OFFSET ?)",
        (tier.step, tier.step, tier.kept),
    )
    if not tier.packed:
        return
    old = connection.execute(
        "SELECT number FROM packs WHERE step = ? ORDER BY number DESC LIMIT -1 OFFSET ?",
        (tier.step, tier.kept // tier.packed),
    ).fetchall()
    connection.executemany("DELETE FROM chunks WHERE pack = ?", old)
    connection.executemany("DELETE FROM packs WHERE number = ?", old)


def _strips(connection: Connection, tier: Tier, first: int, last: int) -> list[Strip]:
    rows = connection.execute(
        "SELECT at, ids, mean, low, high FROM strips"
        " WHERE step = ? AND number BETWEEN ? AND ? ORDER BY number",
        (tier.step, first, last),
    )
    return [strip_of(*row) for row in rows]
