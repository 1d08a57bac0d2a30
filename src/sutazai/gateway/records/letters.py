"""The dead letters: added by calls, listed, made again and thrown away by people."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TypeVar

from sutazai.fleet.errors import DeadlineExceeded, NotFound
from sutazai.gateway.records.letter import HEAD, DeadLetter, letter_of
from sutazai.gateway.records.reading import Reader
from sutazai.gateway.records.writer import Work, Writer

T = TypeVar("T")

CHANGE_WITHIN = 10.0
"""Seconds in which a change must be written."""

_NEWEST = f"SELECT {HEAD} FROM letters ORDER BY number DESC LIMIT ?"  # noqa: S608 (constants)
_ONE = f"SELECT {HEAD}, body FROM letters WHERE id = ?"  # noqa: S608 (constants)


class Letters:
    """At most `bounds.LETTERS`, of `bounds.LETTERS_BYTES` together; the newest stay.

    What was added is seen at once, unless it cannot be written; only `count` waits for no writing.
    """

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    def add(self, letter: DeadLetter) -> None:
        """Keeps ``letter`` without its secrets. Takes microseconds; in a flood the newest win."""
        self._writer.put_letter(letter)

    async def list(self, limit: int = 100) -> tuple[DeadLetter, ...]:
        """The newest first, without bodies. Raises DeadlineExceeded and Unavailable."""

        def newest(connection: sqlite3.Connection) -> tuple[DeadLetter, ...]:
            return tuple(letter_of(row) for row in connection.execute(_NEWEST, (max(limit, 0),)))

        return await self._read(newest, ())

    async def get(self, id: str) -> DeadLetter:  # noqa: A002 (the word of the field)
        """The whole letter. Raises NotFound, DeadlineExceeded and Unavailable."""

        def one(connection: sqlite3.Connection) -> DeadLetter | None:
            row = connection.execute(_ONE, (id,)).fetchone()
            return None if row is None else letter_of(row)

        letter = await self._read(one, None)
        if letter is None:
            raise NotFound(f"there is no dead letter {id!r}", hint="see `sutazai gateway dead`")
        return letter

    async def remove(self, id: str) -> None:  # noqa: A002 (the word of the field)
        """Raises NotFound, DeadlineExceeded and Unavailable."""
        if not await self._change(lambda db: _deleted(db, "WHERE id = ?", id)):
            raise NotFound(f"there is no dead letter {id!r}", hint="see `sutazai gateway dead`")

    async def clear(self) -> int:
        """How many there were. Raises DeadlineExceeded and Unavailable."""
        return await self._change(lambda db: _deleted(db, ""))

    async def count(self) -> int:
        """How many are on disk. Raises DeadlineExceeded and Unavailable."""
        return await self._reader.read(_count, 0)

    async def _read(self, work: Work[T], otherwise: T) -> T:
        await self._writer.settle()
        return await self._reader.read(work, otherwise)

    async def _change(self, work: Work[int]) -> int:
        try:
            async with asyncio.timeout(CHANGE_WITHIN):
                return await asyncio.wrap_future(self._writer.submit(work))
        except TimeoutError as error:
            raise DeadlineExceeded(
                f"nothing could be written for {CHANGE_WITHIN:g} s", hint="look at the disk"
            ) from error


def _deleted(connection: sqlite3.Connection, where: str, *values: str) -> int:
    return connection.execute(f"DELETE FROM letters {where}", values).rowcount  # noqa: S608


def _count(connection: sqlite3.Connection) -> int:
    count: int = connection.execute("SELECT count(*) FROM letters").fetchone()[0]
    return count
