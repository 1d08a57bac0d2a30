"""Texts with holes, as `Plan ${input.goal}`: checked and filled; nothing is executed. Pure.

A path leads through JSON by keys, and by numbers from 0 through lists. A text that is one hole and
nothing else stands for the value itself, whatever that is. `$${` is a plain `${`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sutazai.fleet.errors import BadInput

Path = tuple[str, ...]
"""A way through JSON: ``("steps", "plan", "output", "items")``."""
Scope = Mapping[str, Any]
"""What paths begin in: a value by the first key."""

_HOLE = re.compile(r"\$\$\{|\$\{([^}]*)(\})?")
_PATH = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


def parse_path(text: str) -> Path:
    """The path that stands between `${` and `}`. Raises ValueError."""
    if _PATH.fullmatch(text.strip()) is None:
        raise ValueError(f"`{text}` is no path: keys with dots between them, as steps.plan.output")
    return tuple(text.strip().split("."))


def paths_in(template: Any) -> Iterator[Path]:
    """Every path in a text, or in the texts of any JSON. Raises ValueError."""
    if isinstance(template, str):
        for hole in _HOLE.finditer(template):
            if hole[0] != "$${":
                if hole[2] is None:
                    raise ValueError("a `${` has no `}`; write `$${` for a plain one")
                yield parse_path(hole[1])
    elif isinstance(template, Mapping):
        for value in template.values():
            yield from paths_in(value)
    elif isinstance(template, list | tuple):
        for value in template:
            yield from paths_in(value)


def whole_path(template: str) -> Path | None:
    """The path of a text that is one hole and nothing else."""
    hole = _HOLE.fullmatch(template)
    return parse_path(hole[1]) if hole and hole[2] else None


def fill(template: Any, scope: Scope) -> Any:
    """``template`` with values in place of its holes. Raises BadInput for a path to nowhere."""
    if isinstance(template, Mapping):
        return {key: fill(value, scope) for key, value in template.items()}
    if isinstance(template, list | tuple):
        return [fill(value, scope) for value in template]
    if not isinstance(template, str):
        return template
    path = whole_path(template)
    return look_up(path, scope) if path else fill_text(template, scope)


def fill_text(template: str, scope: Scope, shown: Callable[[Any], str] | None = None) -> str:
    """As ``fill``, and always a text; ``shown`` says how a value is written, else as `as_text`."""
    write = shown or as_text

    def value(hole: re.Match[str]) -> str:
        return "${" if hole[0] == "$${" else write(look_up(parse_path(hole[1]), scope))

    return _HOLE.sub(value, template)


def look_up(path: Path, scope: Scope) -> Any:
    """The value at ``path``; null, and whatever is in it, is null. Raises BadInput."""
    found: Any = scope
    for at, key in enumerate(path):
        if found is None:
            return None
        try:
            found = found[int(key) if isinstance(found, list) else key]
        except (LookupError, TypeError, ValueError) as cause:
            before = ".".join(path[:at])
            raise BadInput(
                f"there is no `{key}` in `{before}`, which is needed as `${{{'.'.join(path)}}}`",
                hint=f"`{before}` is {_described(found)}",
            ) from cause
    return found


def as_text(value: Any) -> str:
    """A value within a text: texts as they are, nothing for null, anything else as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _described(found: Any) -> str:
    if isinstance(found, Mapping):
        return f"an object with {', '.join(map(repr, [*found][:10])) or 'nothing in it'}"
    if isinstance(found, list):
        return f"a list of {len(found)}"
    return "a text" if isinstance(found, str) else f"{as_text(found):.40}"
