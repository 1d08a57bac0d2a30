"""Which series there are in the file, each with a number, which is given to another only when
nothing is left of it."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from sqlite3 import Connection

from sutazai.observe.samples import Labels

SERIES_MAX = 10_000
"""Most series that are kept, which come to about 1 GiB; more than those are left out."""

Key = tuple[str, Labels]


class Catalogue:
    """The series of the file that a connection is of."""

    def __init__(self) -> None:
        self._of: Connection | None = None
        self._ids: dict[Key, int] = {}

    def meet(self, connection: Connection) -> None:
        """To be called first: another connection may be of another file."""
        if connection is not self._of:
            rows = connection.execute("SELECT name, labels, id FROM series")
            self._ids = {(name, _labels(labels)): number for name, labels, number in rows}
            self._of = connection

    def number(self, key: Key) -> int | None:
        """The number of a series, a new one where it was never seen; None if there is no room."""
        found = self._ids.get(key)
        if found is None and len(self._ids) < SERIES_MAX and self._of is not None:
            name, labels = key
            added = self._of.execute(
                "INSERT INTO series (name, labels) VALUES (?, ?)", (name, json.dumps(labels))
            )
            found = self._ids[key] = added.lastrowid or 0
        return found

    def find(self, name: str, wanted: Mapping[str, str]) -> dict[int, Labels]:
        """The series of that name which have these labels at least, by number."""
        return {
            number: labels
            for (known, labels), number in self._ids.items()
            if known == name and wanted.items() <= dict(labels).items()
        }

    def keep(self, numbers: Container[int]) -> None:
        """Forgets all others: nothing is left of them."""
        gone = {key: number for key, number in self._ids.items() if number not in numbers}
        for key, number in gone.items():
            del self._ids[key]
            if self._of is not None:
                self._of.execute("DELETE FROM series WHERE id = ?", (number,))


def _labels(text: str) -> Labels:
    return tuple((name, value) for name, value in json.loads(text))
