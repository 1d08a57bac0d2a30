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
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from sutazai.fleet.errors import Unavailable

T = TypeVar("T")

READERS = 2
BUSY_MILLISECONDS = 5_000
CACHE_KIB = 512
"""Of SQLite's page cache, a connection. The default of 2 MiB buys nothing at this size."""


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file."""
    return f"sqlite:///{path}"


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
        return create_engine(url, pool_size=READERS + 1, pool_pre_ping=True)
    engine = create_engine(url, pool_size=READERS + 1, max_overflow=1)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _run(engine: Engine, work: Callable[[Session], T]) -> T:
    try:
        with Session(engine, expire_on_commit=False) as session, session.begin():
            return work(session)
    except OperationalError as error:
        raise Unavailable(
            f"the database does not answer: {error.orig}",
            hint="look at the free space of the disk and the rights of the state folder",
        ) from error


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
