"""Keeps the file of records within its bounds of age and size, the oldest going first.

Within the size are the write-ahead log and, in a fourth of it, the dead letters. Not within it is a
broken file that was moved aside, and what the log takes of a size that is below 16 MiB.
"""

from __future__ import annotations

import sqlite3

from sutazai.fleet.serving import Record
from sutazai.gateway.records.file import PAGE, WAL_BYTES, transaction

LETTERS = 1_000
"""Most dead letters."""

LETTERS_BYTES = 64 * 1024**2
"""Most bytes of their bodies, where a fourth of the file's bound is not less."""

SLICE = 10_000
"""Calls or dead letters deleted in one transaction."""

BATCHES = SLICE // 100
"""Batches deleted in one transaction, whose calls are too old."""

SHARE = 16
"""Of the calls, one in so many goes each time that the file is too large."""

STEP = 256
"""Pages given back in one transaction: each may move another page, which the log must hold."""

_EXPIRED = """
DELETE FROM {0} WHERE number IN (SELECT number FROM {0} WHERE {1} <= ? ORDER BY {1} LIMIT {2})
"""
_BATCHES_EXPIRED = _EXPIRED.format("batches", "newest", BATCHES)
_LETTERS_EXPIRED = _EXPIRED.format("letters", "at", SLICE)
_LETTERS_TOO_MANY = """
DELETE FROM letters WHERE number <= (
    SELECT max(number) FROM (
        SELECT number, row_number() OVER newest AS place, sum(size) OVER newest AS held
        FROM letters WINDOW newest AS (ORDER BY number DESC)
    ) WHERE place > ? OR held > ?
)
"""


def keeps(record: Record) -> bool:
    """Whether anything is kept at all."""
    return record.age > 0 and record.size > 0


def forget_expired(connection: sqlite3.Connection, record: Record, now: float) -> None:
    """Deletes what is older than ``record.age``; ``now`` in seconds since 1970.

    A batch stays as long as the newest of its calls: no call longer than ``record.age`` from its
    end.
    """
    for statement, most in ((_BATCHES_EXPIRED, BATCHES), (_LETTERS_EXPIRED, SLICE)):
        while connection.execute(statement, (now - record.age,)).rowcount == most:
            pass


def shrink(connection: sqlite3.Connection, record: Record) -> None:
    """Deletes what is over ``record.size``, and gives the free pages back to the disk."""
    connection.execute(_LETTERS_TOO_MANY, (LETTERS, min(LETTERS_BYTES, record.size // 4)))
    bound = (record.size - min(WAL_BYTES, record.size // 4)) // PAGE
    pages, free = _pages(connection)
    while pages - free > bound and _forget_oldest(connection):
        pages, free = _pages(connection)
    for _ in range(0, _surplus(pages, free, bound), STEP):
        # Not `execute`, which takes the first of its steps only: one page.
        connection.executescript(f"PRAGMA incremental_vacuum({STEP})")


def _surplus(pages: int, free: int, bound: int) -> int:
    """Pages to give back: those over the bound, and of the free ones what new calls need not."""
    return min(free, max(pages - bound, free - pages // 4, 0))


def _forget_oldest(connection: sqlite3.Connection) -> bool:
    """Whether there was anything to forget."""
    first, last = connection.execute("SELECT min(number), max(number) FROM batches").fetchone()
    if first is None:
        return False
    count = min((last - first) // SHARE + 1, SLICE)
    with transaction(connection):
        connection.execute("DELETE FROM batches WHERE number < ?", (first + count,))
    return True


def _pages(connection: sqlite3.Connection) -> tuple[int, int]:
    """All, and the free ones among them."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    return pages, free
