"""Reads a backlog file: one item a list entry, or one a line. Pure."""

from __future__ import annotations

import re

from sutazai.fleet.errors import BadInput

_ENTRY = re.compile(
    r"(?P<indent>[ \t]*)(?:[-*+]|\d{1,9}[.)])[ \t]+(?:\[(?P<tick>[ xX])\][ \t]+)?(?P<text>.+)"
)
_HEADING = re.compile(r"#{1,6}(?:\s.*)?")


def parse_backlog(text: str) -> tuple[str, ...]:
    """The items in ``text``. Raises BadInput where nothing is left to do.

    With list entries in it (``- one``, ``2. two``, ``- [ ] three``) these are the items; lines
    indented below an entry belong to it, and entries that are ticked off (``- [x]``) are left out.
    Without any, each line that is no heading is an item.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    items = _entries(lines) if any(map(_ENTRY.fullmatch, lines)) else _plain_lines(lines)
    if not items:
        raise BadInput("the backlog has no items", hint="write one item a line, as `- do this`")
    return tuple(items)


def _entries(lines: list[str]) -> list[str]:
    items: list[list[str]] = []
    current: list[str] = []
    for line in lines:
        found = _ENTRY.fullmatch(line)
        if found and not (found["indent"] and current):
            current = [found["text"].strip()]
            if found["tick"] in (None, " "):
                items.append(current)
        elif line[:1] in (" ", "\t") and line.strip():
            current.append(line.strip())
        elif line.strip():
            current = []  # a heading or a paragraph ends the entry
    return [" ".join(item) for item in items]


def _plain_lines(lines: list[str]) -> list[str]:
    stripped = (line.strip() for line in lines)
    return [line for line in stripped if line and not _HEADING.fullmatch(line)]
