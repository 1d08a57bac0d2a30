"""What is wrong with a fleet file: one problem, and many of them as one error."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from sutazai.fleet.errors import BadFleet

SHOWN = 20
KEPT = 200


class Severity(StrEnum):
    """An error refuses the fleet, a warning is printed."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, where, and what to do about it.

    Args:
        file: the file as the user named it; empty where the fleet came from no file.
        line: 1-based; 0 where there is no file.
        column: 1-based; 0 where there is no file.
        path: the key it is about, as ``agents.planner.depends_on[0]``; empty for the whole file.
        message: what is wrong, in one sentence, without a trailing full stop.
        hint: what to do about it, or None where the message says it.
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str | None = None
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        """``FILE:LINE:COLUMN: message``, or the message alone where there is no file."""
        return (
            f"{self.file}:{self.line}:{self.column}: {self.message}" if self.line else self.message
        )

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


def bad_fleet(problems: Iterable[Problem]) -> BadFleet:
    """All problems as one error: the message has one line each, in the order of the file.

    With one problem its hint becomes the error's; with several each hint follows its problem,
    indented. ``data["problems"]`` holds them for programs (200 at most).
    """
    ordered = sorted(problems, key=lambda problem: (problem.file, problem.line, problem.column))
    data = [problem.as_dict() for problem in ordered[:KEPT]]
    if len(ordered) == 1:
        return BadFleet(str(ordered[0]), hint=ordered[0].hint, problems=data)
    lines = [line for problem in ordered[:SHOWN] for line in _lines(problem)]
    if len(ordered) > SHOWN:
        lines.append(f"and {len(ordered) - SHOWN} more")
    return BadFleet("\n".join(lines), problems=data)


def refuse_errors(problems: Iterable[Problem]) -> list[Problem]:
    """The warnings among ``problems``. Raises BadFleet where one is an error."""
    problems = list(problems)
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    if errors:
        raise bad_fleet(errors)
    return problems


def _lines(problem: Problem) -> list[str]:
    return [str(problem), *([f"    {problem.hint}"] if problem.hint else [])]
