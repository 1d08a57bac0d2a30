"""Reads a backlog: what a person wants done, item by item. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from sutazai.fleet.errors import BadInput

ITEMS_MAX = 200
BYTES_MAX = 64 * 1024

_HINT = (
    "write one item a line, a Markdown list, or a JSON list of texts; "
    f"at most {ITEMS_MAX} items and {BYTES_MAX // 1024} KiB"
)
_MARKER = re.compile(
    r"(?P<indent>\s*)(?:[-*+]|\d{1,9}[.)])\s+(?:\[(?P<box>[ xX])\]\s+)?(?P<text>.*)"
)
_HEADING = re.compile(r"#{1,6}(\s|$)")


def parse_backlog(text: str) -> tuple[str, ...]:
    """The items of a backlog file. Raises BadInput.

    Takes a JSON list of texts (or of objects with a `title` and, if wanted, a `detail`), a
    Markdown list (nested points belong to their item, ticked ones are done and left out, and what
    stands outside the list is not an item), or one item a line.
    """
    if len(text.encode(errors="replace")) > BYTES_MAX:
        raise BadInput(f"the backlog is larger than {BYTES_MAX // 1024} KiB", hint=_HINT)
    text = text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")  # some editors begin files with it
    stripped = text.strip()
    if stripped.startswith("[") and stripped.endswith("]"):
        return checked_backlog(_from_json(stripped))
    lines = text.splitlines()
    if any(_MARKER.fullmatch(line) for line in lines):
        return checked_backlog(_from_markdown(lines))
    return checked_backlog(_from_lines(lines))


def checked_backlog(items: Sequence[str]) -> tuple[str, ...]:
    """The items, trimmed. Raises BadInput when there are none, too many or empty ones."""
    trimmed = tuple(" ".join(item.split()) for item in items)
    if not trimmed:
        raise BadInput("the backlog has no items", hint=_HINT)
    if len(trimmed) > ITEMS_MAX:
        raise BadInput(f"the backlog has {len(trimmed)} items, more than {ITEMS_MAX}", hint=_HINT)
    if empty := [number for number, item in enumerate(trimmed, 1) if not item]:
        raise BadInput(f"item {empty[0]} of the backlog is empty", hint=_HINT)
    if sum(len(item.encode(errors="replace")) for item in trimmed) > BYTES_MAX:
        raise BadInput(f"the backlog is larger than {BYTES_MAX // 1024} KiB", hint=_HINT)
    return trimmed


def _from_json(text: str) -> list[str]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"the backlog is not a JSON list: {error}", hint=_HINT) from error
    return [_item(number, value) for number, value in enumerate(values, 1)]


def _item(number: int, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and isinstance(value.get("title"), str):
        detail = value.get("detail")
        return f"{value['title']}: {detail}" if isinstance(detail, str) else str(value["title"])
    raise BadInput(f"item {number} of the backlog is not a text", hint=_HINT)


def _from_markdown(lines: Sequence[str]) -> list[str]:
    items: list[list[str]] = []
    done = False
    outermost = min(len(m["indent"]) for line in lines if (m := _MARKER.fullmatch(line)))
    for line in lines:
        marker = _MARKER.fullmatch(line)
        if marker and len(marker["indent"]) <= outermost + 1:
            done = (marker["box"] or " ") != " "
            items += [] if done else [[marker["text"]]]
        elif items and not done and line.startswith((" ", "\t")) and line.strip():
            items[-1].append(f"- {marker['text']}" if marker else line.strip())
    return [" ".join(parts) for parts in items]


def _from_lines(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if line.strip() and not _HEADING.match(line)]
