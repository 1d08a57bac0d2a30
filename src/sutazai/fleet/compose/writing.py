"""A draft as YAML, with its remarks as comments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sutazai.fleet.compose.draft import Draft, Entry
from sutazai.fleet.positions import shown

REMARK_MAX = 400

_SAFE = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@+-]*")
_WORDS = ("true", "false", "null")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def fleet_text(draft: Draft) -> str:
    """The fleet file."""
    lines = [*(remark_line(remark) for remark in draft.remarks), f"name: {draft.name}"]
    for section in ("backends", "agents", "services"):
        entries: list[Entry] = getattr(draft, section)
        if entries:
            lines += ["", f"{section}:"]
        for at, entry in enumerate(entries):
            lines += ["" for _ in range(min(at, 1))] + list(entry_lines(entry))
    return "\n".join(lines) + "\n"


def entry_lines(entry: Entry) -> Iterator[str]:
    """One entry of a section."""
    yield f"  {entry.name}:"
    yield from _keys(entry.keys, "    ")
    for remark in entry.remarks:
        yield f"    {remark_line(remark)}"


def _keys(keys: dict[str, Any], indent: str) -> Iterator[str]:
    for key, value in keys.items():
        if isinstance(value, dict):
            yield f"{indent}{scalar_text(key)}:"
            yield from _keys(value, f"{indent}  ")
        elif isinstance(value, (list, tuple)):
            yield f"{indent}{scalar_text(key)}: [{', '.join(map(scalar_text, value))}]"
        else:
            yield f"{indent}{scalar_text(key)}: {scalar_text(value)}"


def scalar_text(value: object) -> str:
    """One value in YAML; texts in quotes wherever they could be read as anything else."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    text = str(value)
    if _SAFE.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return f'"{"".join(_escaped(char) for char in text)}"'


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    return (
        f"\\x{code:02x}"
        if code < 0x100
        else f"\\u{code:04x}"
        if code < 0x10000
        else f"\\U{code:08x}"
    )


def remark_line(remark: str) -> str:
    """A comment."""
    return f"# {shown(remark, REMARK_MAX)}" if remark else "#"
