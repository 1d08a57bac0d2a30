"""The one seam between asyncio and blocking SQLAlchemy."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from sutazai.fleet.errors import BadInput, DiskFull, Unavailable

T = TypeVar("T")

READERS = 2
BUSY_MILLISECONDS = 5_000
URL_HINT = "postgresql://USER:PASSWORD@HOST:PORT/NAME, or none for SQLite"
HINT = "look at the free space of the disk and the rights of the state folder"
CONNECT_WITHIN = 5
CACHE_KIB = 512
"""Of SQLite's page cache, a connection. The default of 2 MiB buys nothing at this size."""


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file."""
    return f"sqlite:///{path}"


def database_url(text: str) -> str:
    """``text`` with the driver that we use. Raises BadInput for another kind of database."""
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise BadInput("the database's URL cannot be read", hint=URL_HINT) from error
    if url.drivername == "sqlite":
        return text
    if url.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    raise BadInput(f"no database of the kind {url.drivername!r} can be used", hint=URL_HINT)


class Database:
    """A database by URL; ``read`` and ``write`` run a function of a session in a worker thread.

    There is one writer thread, so writes follow one another in the order they were asked for and
    never wait for each other's locks; readers see the last commit.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = make_engine(url)
        self._writing = self._engine.execution_options(writes=True)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")

    @property
    def is_shared(self) -> bool:
        """Whether several processes may work with it."""
        return make_url(self.url).get_backend_name() != "sqlite"

    @property
    def connections(self) -> tuple[int, int]:
        """How many connections are in use, and how many there may be."""
        pool = self._engine.pool
        used = pool.checkedout() if isinstance(pool, QueuePool) else 0
        return used, READERS + 1

    async def read(self, work: Callable[[Session], T]) -> T:
        """What ``work`` returns, in a transaction of its own. Raises Unavailable."""
        return await asyncio.wrap_future(self._readers.submit(_run, self._engine, work))

    async def write(self, work: Callable[[Session], T]) -> T:
        """As ``read``, holding the right to write from the start; commits unless it raises."""
        return await asyncio.wrap_future(self._writer.submit(_run, self._writing, work))

    def close(self) -> None:
        """Lets what was asked for finish, then closes every connection. Blocks for that long."""
        self._writer.shutdown(wait=True)
        self._readers.shutdown(wait=True)
        self._engine.dispose()


def make_engine(url: str) -> Engine:
    """An engine with the settings that every connection of ours has."""
    if make_url(url).get_backend_name() != "sqlite":
        # A pooler between us and Postgres gives each transaction another connection, on which
        # nothing was prepared.
        prepared = {"prepare_threshold": None, "connect_timeout": CONNECT_WITHIN}
        return create_engine(url, pool_size=READERS + 1, connect_args=prepared, pool_pre_ping=True)
    engine = create_engine(url, pool_size=READERS + 1, max_overflow=1)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _run(engine: Engine, work: Callable[[Session], T]) -> T:
    try:
        with Session(engine, expire_on_commit=False) as session, session.begin():
            return work(session)
    except DBAPIError as error:
        raise translated(error) from error


def translated(error: DBAPIError) -> Exception:
    """What a library's error means; the error itself where the fault is ours."""
    text = str(error.orig)
    if "is full" in text or "No space left" in text:
        return DiskFull(
            "the disk is full: nothing can be written down",
            hint="make room on the disk of the state folder; what was accepted is kept",
        )
    if isinstance(error, OperationalError) or error.connection_invalidated:
        return Unavailable(f"the database does not answer: {text}", hint=HINT)
    return error


def _prepare_sqlite(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    # We begin transactions ourselves: the driver would begin them only at the first write, so a
    # transaction that read first could find that another had written in between.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
