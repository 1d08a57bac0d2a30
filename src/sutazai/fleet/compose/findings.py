"""What is said about a Compose file: findings, and errors that refuse it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sutazai.fleet.errors import BadFleet
from sutazai.fleet.positions import Path, Positions
from sutazai.fleet.problems import Problem, Severity, bad_fleet


class BadCompose(BadFleet):
    """The Compose file cannot be used. ``data["problems"]`` has each place and reason."""


class Findings:
    """Collects what is found; ``all`` is in the order of the file."""

    def __init__(self, positions: Positions) -> None:
        self._positions = positions
        self._found: list[Problem] = []

    def note(
        self, path: Path, message: str, hint: str | None = None, *, at_key: bool = False
    ) -> None:
        """Something that a person should look at. No message ever holds a secret."""
        self._add(path, message, hint, Severity.WARNING, at_key)

    def refuse(self, path: Path, message: str, hint: str | None = None) -> None:
        """Something for which the whole file is refused."""
        self._add(path, message, hint, Severity.ERROR, False)

    def raise_errors(self) -> None:
        """Raise BadCompose where something was refused."""
        if errors := [one for one in self._found if one.severity is Severity.ERROR]:
            raise bad_compose(errors)

    @property
    def all(self) -> tuple[Problem, ...]:
        """Each finding once: two services that take over one anchor share its places."""
        ordered = sorted(self._found, key=lambda one: (one.line, one.column))
        once = {(one.line, one.column, one.message): one for one in reversed(ordered)}
        return tuple(reversed(once.values()))

    def _add(
        self, path: Path, message: str, hint: str | None, severity: Severity, at_key: bool
    ) -> None:
        self._found.append(
            self._positions.problem(path, message, hint=hint, severity=severity, at_key=at_key)
        )


def bad_compose(problems: Iterable[Problem]) -> BadCompose:
    """All problems as one error."""
    return of_compose(bad_fleet(problems))


def of_compose(error: BadFleet) -> BadCompose:
    """The error of the shared YAML reader, which speaks of fleet files, for a Compose file."""
    problems = [
        {**problem, "message": _for_compose(problem["message"])}
        for problem in error.data.get("problems", ())
    ]
    return BadCompose(_for_compose(error.message), hint=error.hint, problems=problems)


def grouped(findings: Iterable[Problem]) -> list[Problem]:
    """Equal findings as one, at the first of their places, that names the lines of the others."""
    groups: dict[tuple[str, str | None], list[Problem]] = {}
    for finding in findings:
        groups.setdefault((finding.message, finding.hint), []).append(finding)
    return [_one(same) for same in groups.values()]


def _one(same: list[Problem]) -> Problem:
    first = same[0]
    others = list(dict.fromkeys(str(one.line) for one in same if one.line != first.line))
    if not others:
        return first
    word = "line" if len(others) == 1 else "lines"
    return replace(first, message=f"{first.message} (also {word} {', '.join(others)})")


def _for_compose(message: str) -> str:
    return message.replace("a fleet file", "a Compose file")
