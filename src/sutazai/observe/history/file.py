"""The file of the history: SQLite in WAL mode, of one thread, so that a `kill -9` costs nothing.

A file that is broken, or was made by a version with other tables, is moved aside, and a new one is
begun: what is in it is a record and not a state that anything depends on.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from sutazai.fleet.errors import DiskFull, Unavailable

VERSION = 1
CACHE_KIB = 512
BUSY_SECONDS = 5.0
WAL_PAGES = 256
"""Pages after which the write-ahead log is written back."""

HINT = "look at the free space of the disk and the rights of the state folder"
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_TABLES = (
    "CREATE TABLE series (id INTEGER PRIMARY KEY, name TEXT, labels TEXT)",
    "CREATE TABLE merged (step INTEGER PRIMARY KEY, number INTEGER)",
    "CREATE TABLE packs (number INTEGER PRIMARY KEY, step INTEGER, first INTEGER,"
    " last INTEGER, times BLOB)",
    # With a rowid: without one, what is longer than a fourth of a page takes another for itself.
    "CREATE TABLE chunks (pack INTEGER, series INTEGER, data BLOB)",
    "CREATE UNIQUE INDEX chunks_of ON chunks (pack, series)",
    "CREATE TABLE strips (number INTEGER PRIMARY KEY, step INTEGER, at INTEGER,"
    " ids BLOB, mean BLOB, low BLOB, high BLOB)",
    "CREATE INDEX strips_at ON strips (step, at)",
    f"PRAGMA user_version = {VERSION}",
)

log = logging.getLogger(__name__)

T = TypeVar("T")


class OtherVersion(sqlite3.DatabaseError):
    """The file was made by a version with other tables."""


class HistoryFile:
    """The file at ``path``, mode 0600, made when it is first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    @property
    def size(self) -> int:
        """Bytes on disk."""
        files = (self._path.with_name(self._path.name + suffix) for suffix in ("", "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What ``work`` returns, all of it or nothing; done twice where the file turns out broken.

        Raises DiskFull or Unavailable.
        """
        try:
            try:
                return self._run(work)
            except sqlite3.DatabaseError as error:
                if not _is_broken(error):
                    raise
                self._move_aside(error)
            return self._run(work)
        except (sqlite3.Error, OSError) as error:
            self.close()
            kind = DiskFull if _is_full(error) else Unavailable
            raise kind(f"{self._path} cannot be used: {error}", hint=HINT) from error

    def close(self) -> None:
        """Lets go of the file."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with _transaction(self._opened()) as connection:
            return work(connection)

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            self._connection = sqlite3.connect(
                self._path, timeout=BUSY_SECONDS, isolation_level=None
            )
            _prepare(self._connection)
        return self._connection

    def _move_aside(self, error: sqlite3.DatabaseError) -> None:
        """To a name of which there is one, so that broken files do not fill the disk."""
        self.close()
        aside = self._path.with_name(f"{self._path.name}.broken")
        log.warning("%s cannot be used (%s): moved to %s", self._path, error, aside.name)
        os.replace(self._path, aside)
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_PAGES * 4096}")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in (0, VERSION):
        raise OtherVersion(f"its tables have version {version}")
    if version == 0:
        with _transaction(connection):
            for statement in _TABLES:
                connection.execute(statement)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:  # nothing stays half done, whatever stopped it
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _is_broken(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", None)  # only SQLite's own errors have one
    return isinstance(error, OtherVersion) or (code is not None and code & 0xFF in _BROKEN)


def _is_full(error: Exception) -> bool:
    return "is full" in str(error) or "No space left" in str(error)
