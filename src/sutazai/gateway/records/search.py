"""Finds calls in the record. Pure, but for the connection that is handed in.

Text is looked for by LIKE and not by an index of words: contents are kept only where that was
switched on, an index would double what they take on the disk and in writing, and to look through
all that the file may hold takes a second or so.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sutazai.gateway.records.call import CallRecord

LIMIT_MAX = 10_000

_TEXTS = ("prompt", "answer")
_ALL = ", ".join(CallRecord._fields)
_WITHOUT_TEXTS = ", ".join(name for name in CallRecord._fields if name not in _TEXTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which calls are wanted; None does not matter, and all that is given must hold.

    Args:
        id: that call.
        agent: name of the agent or client that made it.
        model: the model's name, or the tier's.
        since, until: when it came, in seconds since 1970; the second one is excluded.
        text: in its prompt, its answer or its error; capital or not is the same in ASCII.
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


def find(connection: sqlite3.Connection, query: Query) -> tuple[Found, ...]:
    """What was asked for, the newest first."""
    sql, values = statement(query)
    return tuple(_found(row) for row in connection.execute(sql, values))


def statement(query: Query) -> tuple[str, dict[str, Any]]:
    """The SQL and its values."""
    columns = _ALL if query.contents else _WITHOUT_TEXTS
    where = " AND ".join(_conditions(query)) or "true"
    values: dict[str, Any] = {name: getattr(query, name) for name in Query.__slots__}
    values["limit"] = max(0, min(query.limit, LIMIT_MAX))
    if query.text is not None:
        values["text"] = _like(query.text)
        # As it stands within the JSON that most clients send.
        values["escaped"] = _like(json.dumps(query.text)[1:-1])
    return (
        f"SELECT number, {columns} FROM calls WHERE {where}"  # noqa: S608 (constants)
        " ORDER BY at DESC, number DESC LIMIT :limit",
        values,
    )


_CONDITIONS = {
    "id": "id = :id",
    "agent": "caller = :agent",
    "task": "task = :task",
    "run": "run = :run",
    "model": "(model = :model OR tier = :model)",
    "backend": "backend = :backend",
    "outcome": "outcome = :outcome",
    "since": "at >= :since",
    "until": "at < :until",
    "slower_than": "total >= :slower_than",
    "before": "(at, number) < (SELECT at, number FROM calls WHERE number = :before)",
    "text": "(error LIKE :text ESCAPE '\\' OR answer LIKE :text ESCAPE '\\'"
    " OR prompt LIKE :text ESCAPE '\\' OR prompt LIKE :escaped ESCAPE '\\')",
}


def _conditions(query: Query) -> Iterator[str]:
    for name, condition in _CONDITIONS.items():
        if getattr(query, name) is not None:
            yield condition


def _like(text: str) -> str:
    for special in ("\\", "%", "_"):
        text = text.replace(special, f"\\{special}")
    return f"%{text}%"


def _found(row: tuple[Any, ...]) -> Found:
    call = CallRecord(*row[1:])
    return Found(row[0], call._replace(agent=bool(call.agent), stream=bool(call.stream)))
