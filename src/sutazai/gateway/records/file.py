"""The file that records and dead letters are kept in: SQLite in WAL mode, used by one thread.

A file that is broken, or was made by a version with other tables, is moved aside, and a new one is
begun: what is in it is a record and not a state that anything depends on.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sutazai.fleet.errors import Unavailable
from sutazai.gateway.records.storable import storable

log = logging.getLogger("sutazai.gateway")

T = TypeVar("T")
Row = Sequence[Any]

VERSION = 2
CACHE_KIB = 512
BUSY_SECONDS = 5.0
WAL_BYTES = 4 * 1024**2
"""The write-ahead log stays below this: it is written back at a fourth of it."""

PAGE = 4096

_LETTER_COLUMNS = (
    "id TEXT UNIQUE, at REAL, caller TEXT, task TEXT, model TEXT, path TEXT, content_type TEXT,"
    " priority TEXT, reason TEXT, altered INTEGER, size INTEGER, body BLOB"
)
_TABLES = (
    "CREATE TABLE IF NOT EXISTS batches (number INTEGER PRIMARY KEY, length INTEGER, oldest REAL,"
    " newest REAL, calls BLOB, texts BLOB)",
    "CREATE INDEX IF NOT EXISTS batches_newest ON batches (newest)",
    f"CREATE TABLE IF NOT EXISTS letters (number INTEGER PRIMARY KEY, {_LETTER_COLUMNS})",
    f"PRAGMA user_version = {VERSION}",
)
# A batch has the number of its first call, and its calls are numbered on from there.
_ADD_BATCH = """
INSERT INTO batches VALUES (
    ifnull((SELECT number + length FROM batches ORDER BY number DESC LIMIT 1), 1), ?, ?, ?, ?, ?
)
"""
_ADD_LETTER = (
    "INSERT OR REPLACE INTO letters VALUES (NULL" + ", ?" * (_LETTER_COLUMNS.count(",") + 1) + ")"
)
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class OtherVersion(sqlite3.DatabaseError):
    """The file was made by a version with other tables."""


class CallsFile:
    """The file at ``path``, mode 0600, made when it is first needed. Of one thread only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def add(self, batches: Sequence[Row], letters: Sequence[Row]) -> None:
        """Adds rows, all or none. Raises Unavailable."""

        def write(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                connection.executemany(_ADD_BATCH, batches)
                connection.executemany(_ADD_LETTER, letters)

        try:
            self.run(write)
        except (UnicodeEncodeError, OverflowError):  # of a peer that sends what no text can hold
            letters = storable(letters)
            self.run(write)

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What ``work`` returns; done twice where the file turns out broken, the second time on a
        new one. Raises Unavailable."""
        try:
            try:
                return work(self._opened())
            except sqlite3.DatabaseError as error:
                self.close()
                if not _is_broken(error):
                    raise
                self._move_aside(error)
            return work(self._opened())
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise Unavailable(
                f"{self._path} cannot be written: {error}",
                hint="look at the free space of the disk and the rights of the state folder",
            ) from error

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))  # prompts may be in it
            self._connection = sqlite3.connect(
                self._path, timeout=BUSY_SECONDS, isolation_level=None
            )
            _prepare(self._connection)
        return self._connection

    def _move_aside(self, error: sqlite3.DatabaseError) -> None:
        """To a name of which there is one, so that broken files do not fill the disk."""
        aside = self._path.with_name(f"{self._path.name}.broken")
        log.warning("%s cannot be used (%s): moved to %s", self._path, error, aside.name)
        os.replace(self._path, aside)
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:  # nothing stays half done, whatever stopped it
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _prepare(connection: sqlite3.Connection) -> None:
    # These two only take effect before the first table.
    connection.execute(f"PRAGMA page_size = {PAGE}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_BYTES // 4 // PAGE}")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES // 2}")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in (0, VERSION):
        raise OtherVersion(f"its tables have version {version}")
    if version == 0:
        with transaction(connection):
            for statement in _TABLES:
                connection.execute(statement)


def _is_broken(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", None)  # only SQLite's own errors have one
    return isinstance(error, OtherVersion) or (code is not None and code & 0xFF in _BROKEN)
