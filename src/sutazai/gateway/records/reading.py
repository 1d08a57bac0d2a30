"""Reads the file of records beside its writer, on a connection and in a thread of its own."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from sutazai.fleet.errors import DeadlineExceeded, Unavailable

T = TypeVar("T")

WITHIN = 10.0
"""Seconds that reading may take."""

_STEPS = 10_000
"""Of SQLite's machine, between two looks at whether to go on."""

_NO_TABLE = "no such table"


class Reader:
    """Reads the file at ``path``, which need not exist. What waits to be written is not seen.

    Args:
        within: seconds after which a reading is given up.
    """

    def __init__(self, path: Path, *, within: float = WITHIN) -> None:
        self._path = path
        self._within = within

    async def read(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """What ``work`` returns, or ``otherwise`` where there is no file.

        Raises DeadlineExceeded and Unavailable.
        """
        given_up = threading.Event()
        try:
            return await asyncio.to_thread(self._read, work, otherwise, given_up)
        except asyncio.CancelledError:
            given_up.set()  # its thread ends soon, too
            raise

    def _read(
        self, work: Callable[[sqlite3.Connection], T], otherwise: T, given_up: threading.Event
    ) -> T:
        if not self._path.exists():
            return otherwise
        deadline = time.monotonic() + self._within
        try:
            uri = f"file:{quote(str(self._path))}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True, timeout=self._within)) as connection:
                connection.set_progress_handler(
                    lambda: given_up.is_set() or time.monotonic() > deadline, _STEPS
                )
                return work(connection)
        except sqlite3.Error as error:
            if _NO_TABLE in str(error):  # the file was made this very moment
                return otherwise
            raise self._translated(error) from error

    def _translated(self, error: sqlite3.Error) -> DeadlineExceeded | Unavailable:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            return DeadlineExceeded(
                f"the search took longer than {self._within:g} s", hint="narrow it by time"
            )
        return Unavailable(f"{self._path} cannot be read: {error}", hint="try again")
