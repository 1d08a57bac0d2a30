"""Finds calls in the record. Pure, but for the connection that is handed in.

SQLite passes over the batches that cannot have what is wanted, by their times and by whether a name
occurs in them at all; what is left is unpacked, the newest first, until there is enough. Words are
looked for in every call and not by an index: contents are kept only where that was switched on, an
index would double what they take on the disk and in writing, and to look through all that the file
may hold takes a second or so.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import islice
from typing import Any

from sutazai.gateway.records.batch import PLACE, Fields, calls_of, packed_text
from sutazai.gateway.records.call import CallRecord

LIMIT_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which calls are wanted; None does not matter, and all that is given must hold.

    Args:
        id: that call.
        agent: name of the agent or client that made it.
        model: the model's name, or the tier's.
        since, until: when it came, in seconds since 1970; the second one is excluded.
        text: in its prompt, its answer or its error; capital or not is the same.
        slower_than: seconds that it took at least.
        limit: how many at most.
        before: those after this one in the answer of the same query; a `Found.number`.
        contents: with prompt and answer.
    """

    id: str | None = None
    agent: str | None = None
    task: str | None = None
    run: str | None = None
    model: str | None = None
    backend: str | None = None
    outcome: str | None = None
    since: float | None = None
    until: float | None = None
    text: str | None = None
    slower_than: float | None = None
    limit: int = 100
    before: int | None = None
    contents: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A call, and its number in the record."""

    number: int
    call: CallRecord


Entry = tuple[float, int, Fields]
"""When a call came and its number, both negative so that the newest is the least, and the call."""

Condition = Callable[[Fields], bool]

_NAMES = {"id": "id", "agent": "caller", "task": "task", "run": "run", "backend": "backend",
          "outcome": "outcome"}  # fmt: skip
"""Of `Query`, what must be equal to a field of `CallRecord`."""

_AT, _TOTAL, _TIER, _MODEL = (PLACE[name] for name in ("at", "total", "tier", "model"))
_ERROR, _PROMPT, _ANSWER = (PLACE[name] for name in ("error", "prompt", "answer"))

_BOUNDS = {"since": "newest >= :since", "until": "oldest < :until", "came": "oldest <= :came"}

_BATCH_OF = "SELECT number, calls FROM batches WHERE number <= ? ORDER BY number DESC LIMIT 1"


def find(connection: sqlite3.Connection, query: Query) -> tuple[Found, ...]:
    """What was asked for, the newest first."""
    after: Entry | None = None
    if query.before is not None:
        after = _numbered(connection, query.before)
        if after is None:
            return ()
    limit = max(0, min(query.limit, LIMIT_MAX))
    entries = _in_order(_batches(connection, query, after))
    return tuple(_found(entry, query) for entry in islice(entries, limit))


def _in_order(batches: Iterable[tuple[float, list[Entry]]]) -> Iterator[Entry]:
    """The entries of all batches, which come by the newest that they may have: calls that take long
    came before others that were written earlier."""
    held: list[Entry] = []
    for newest, entries in batches:
        while held and -held[0][0] > newest:
            yield heappop(held)
        for entry in entries:
            heappush(held, entry)
    while held:
        yield heappop(held)


def _batches(
    connection: sqlite3.Connection, query: Query, after: Entry | None
) -> Iterator[tuple[float, list[Entry]]]:
    """What is wanted of each batch, and when the newest of all its calls came."""
    conditions = tuple(_conditions(query))
    for number, newest, *packed in connection.execute(*statement(query, after)):
        calls = calls_of(*packed)
        places: Iterable[int] = range(len(calls))
        for holds in conditions:
            places = [place for place in places if holds(calls[place])]
        entries = (_entry(number + place, calls[place]) for place in places)
        yield newest, [entry for entry in entries if after is None or entry > after]


def statement(query: Query, after: Entry | None = None) -> tuple[str, dict[str, Any]]:
    """The SQL that finds the batches that may have what is wanted, and its values.

    A model's name may be that of a tier, too: the two have one condition here.
    """
    values = {
        name: packed_text(value)
        for name in (*_NAMES, "model")
        if (value := getattr(query, name)) is not None
    }
    where = [f"instr(calls, :{name})" for name in values]
    bounds = {"since": query.since, "until": query.until, "came": after and -after[0]}
    where += [_BOUNDS[name] for name, value in bounds.items() if value is not None]
    texts = ", texts" if query.contents or query.text is not None else ""
    condition = " AND ".join(where) or "true"
    return (
        f"SELECT number, newest, calls{texts} FROM batches"  # noqa: S608 (constants)
        f" WHERE {condition} ORDER BY newest DESC",
        {**values, **bounds},
    )


def _conditions(query: Query) -> Iterator[Condition]:
    """What must be true of a call."""
    for name, field in _NAMES.items():
        if (value := getattr(query, name)) is not None:
            yield _equals(PLACE[field], value)
    if (model := query.model) is not None:
        yield lambda call: model in (call[_MODEL], call[_TIER])
    if (since := query.since) is not None:
        yield lambda call: call[_AT] >= since
    if (until := query.until) is not None:
        yield lambda call: call[_AT] < until
    if (slower_than := query.slower_than) is not None:
        yield lambda call: call[_TOTAL] >= slower_than
    if query.text is not None:
        yield _says(query.text)


def _equals(place: int, value: str) -> Condition:
    return lambda call: call[place] == value


def _says(text: str) -> Condition:
    plain = text.lower()
    # As it stands within the JSON that most clients send.
    escaped = json.dumps(text)[1:-1].lower()

    def holds(call: Fields) -> bool:
        prompt = (call[_PROMPT] or "").lower()
        return (
            plain in prompt
            or escaped in prompt
            or plain in (call[_ANSWER] or "").lower()
            or plain in call[_ERROR].lower()
        )

    return holds


def _numbered(connection: sqlite3.Connection, number: int) -> Entry | None:
    for first, packed in connection.execute(_BATCH_OF, (number,)):
        calls = calls_of(packed)
        if number - first < len(calls):
            return _entry(number, calls[number - first])
    return None


def _entry(number: int, call: Fields) -> Entry:
    return -call[_AT], -number, call


def _found(entry: Entry, query: Query) -> Found:
    _, number, fields = entry
    call = CallRecord(*fields)
    return Found(-number, call if query.contents else call.without_texts())
