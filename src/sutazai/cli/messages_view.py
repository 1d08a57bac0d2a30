"""How messages, inboxes and dead letters are shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType

from sutazai.cli.console import clock, plain, table
from sutazai.fleet.units import format_size

Entry = Mapping[str, Any]
SHOWN = 60
"""Characters of a body in a table."""


def overview_view(found: Entry) -> Iterator[RenderableType]:
    """Inboxes that hold something."""
    yield f"broker {found['broker']}, {found['dead_letters']} dead letters"
    if not found["inboxes"]:
        yield "all messages are delivered"
        return
    shown = table("inbox", "messages", "size")
    for column in shown.columns[1:]:
        column.justify = "right"
    for inbox in found["inboxes"]:
        size = format_size(inbox["bytes"])
        shown.add_row(plain(inbox["agent"]), str(inbox["messages"]), size)
    yield shown


def inbox_view(messages: Sequence[Entry]) -> Iterator[RenderableType]:
    """What one agent is still to get."""
    if not messages:
        yield "its inbox is empty"
        return
    shown = table("id", "at", "from", "type", "body")
    for message in messages:
        shown.add_row(*_cells(message))
    yield shown


def dead_view(letters: Sequence[Entry]) -> Iterator[RenderableType]:
    """Messages that were given up, the newest first."""
    if not letters:
        yield "no dead letters"
        return
    shown = table("id", "at", "from", "type", "body", "to", "why")
    for letter in letters:
        why = letter["error"] or letter["reason"]
        shown.add_row(*_cells(letter), plain(letter["to"]), plain(why))
    yield shown
    yield "to deliver them once more: sutazai messages replay [ID]"


def _cells(message: Entry) -> tuple[str, ...]:
    body = message["body"]
    short = body if len(body) <= SHOWN else f"{body[:SHOWN]}…"
    at = clock(message.get("at") or message["published"])
    return plain(message["id"]), at, plain(message["sender"]), plain(message["type"]), plain(short)
