"""Copies of SQLite databases that are written to meanwhile, by SQLite's online backup."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path

PATIENCE = 10.0
"""Seconds for others to let go of a database."""
MAGIC = b"SQLite format 3\0"


def copy_together(databases: Mapping[Path, Path]) -> None:
    """Copies each database to its target, all as they were at one moment. Blocks.

    Writers wait for that moment only, which takes milliseconds; then each copy is made from a
    snapshot of its own. So what stands in one database and refers to another is there, as after a
    crash at that moment. The databases must be in WAL mode. Raises sqlite3.Error, OSError.
    """
    with ExitStack() as reading:
        readers = {}
        with ExitStack() as writing:
            for source in databases:
                writing.enter_context(_opened(source)).execute("BEGIN IMMEDIATE")
            for source in databases:
                readers[source] = reading.enter_context(_opened(source))
                _take_snapshot(readers[source])
        for source, target in databases.items():
            _copy(readers[source], target)


def copy_database(source: Path, target: Path) -> None:
    """Copies one database, whatever its mode. Blocks. Raises sqlite3.Error, OSError."""
    with _opened(source) as reader:
        _copy(reader, target)


def trouble_of(database: Path) -> str | None:
    """What is wrong with a database that nobody writes to; None where it is well. Blocks."""
    try:
        with _opened(database, "immutable=1") as connection:
            (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
    except sqlite3.Error as error:
        return str(error)
    return None if verdict == "ok" else str(verdict)


def _opened(path: Path, how: str = "mode=rw") -> closing[sqlite3.Connection]:
    # Not `mode=ro`, which leaves files beside a database that nobody else has open.
    uri = f"{path.absolute().as_uri()}?{how}"
    return closing(sqlite3.connect(uri, uri=True, timeout=PATIENCE, isolation_level=None))


def _take_snapshot(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the first read takes it


def _copy(reader: sqlite3.Connection, target: Path) -> None:
    with closing(sqlite3.connect(target, isolation_level=None)) as writer:
        writer.execute("PRAGMA synchronous=OFF")  # a draft, which is made anew after a crash
        reader.backup(writer)
