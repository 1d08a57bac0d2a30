"""Where each key and value of a fleet file stands, so that a problem can point at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sutazai.fleet.problems import Problem, Severity

Path = tuple[str | int, ...]
"""A way through the file: ``("agents", "planner", "depends_on", 0)``."""

Place = tuple[int, int]
"""Line and column, both 1-based."""


@dataclass(frozen=True)
class Positions:
    """Places by path. What nobody wrote is looked for at the nearest thing around it.

    Args:
        file: the file as the user named it; empty where the fleet came from no file.
        keys: where a key, or an item of a list, begins.
        values: where a value begins; for a block of keys or items, where its key does.
        files: the part or overlay that says what, where it is not ``file``.
    """

    file: str = ""
    keys: Mapping[Path, Place] = field(default_factory=dict)
    values: Mapping[Path, Place] = field(default_factory=dict)
    files: Mapping[Path, str] = field(default_factory=dict)

    def of_value(self, path: Path) -> Place:
        """Where the value at ``path`` stands."""
        return self.values.get(path) or self.of_key(path)

    def of_key(self, path: Path) -> Place:
        """Where the key of ``path`` stands, or that of the nearest ancestor that was written."""
        for length in range(len(path), 0, -1):
            if place := self.keys.get(path[:length]):
                return place
        return self.values.get((), (1, 1))

    def problem(
        self,
        path: Path,
        message: str,
        *,
        hint: str | None = None,
        severity: Severity = Severity.ERROR,
        at_key: bool = False,
    ) -> Problem:
        """A problem at ``path``: at its value, or with ``at_key`` at its key."""
        line, column = self.of_key(path) if at_key else self.of_value(path)
        if not self.file:
            line = column = 0
        return Problem(self._file_of(path), line, column, dotted(path), message, hint, severity)

    def _file_of(self, path: Path) -> str:
        known = (self.files.get(path[:length]) for length in range(len(path), 0, -1))
        return next((file for file in known if file), self.file)


NOWHERE = Positions()
"""For a fleet that came from no file."""


def dotted(path: Path) -> str:
    """``agents.planner.depends_on[0]``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{shown(part)}" for part in path)
    return "".join(parts).removeprefix(".")


def shown(text: str, limit: int = 60) -> str:
    """``text`` for people: control characters escaped, and cut where it is long."""
    safe = "".join(char if char.isprintable() else _escaped(char) for char in text[: limit + 1])
    return f"{safe[:limit]}…" if len(safe) > limit else safe


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
