"""The one way in for fleet files: text to a `Fleet`, or one error with all that is wrong."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from sutazai.fleet import catalogue as built_in
from sutazai.fleet.assemble import Assembled, Catalogue, assemble
from sutazai.fleet.document import Document, read_document
from sutazai.fleet.errors import BadFleet
from sutazai.fleet.explain import explain, kind_of
from sutazai.fleet.overlays import laid_over
from sutazai.fleet.parts import joined
from sutazai.fleet.ports import assigned
from sutazai.fleet.positions import Positions
from sutazai.fleet.problems import Problem, Severity, bad_fleet
from sutazai.fleet.spec import Fleet

FILE_MAX = 2 * 1024**2

__all__ = [
    "LoadedFleet",
    "Positions",
    "Problem",
    "Severity",
    "files_of",
    "load",
    "load_fleet",
    "parse",
    "parse_fleet",
]


@dataclass(frozen=True)
class LoadedFleet:
    """A fleet, and where its file says what, for `check_fleet`."""

    fleet: Fleet
    positions: Positions


def load_fleet(path: Path, *, catalogue: Catalogue | None = None) -> Fleet:
    """The fleet that the file at ``path`` declares: catalogue merged in, every agent with a port.

    Raises BadFleet with every problem of the file at once; see `problems.bad_fleet`.
    """
    return load(path, catalogue=catalogue).fleet


def parse_fleet(text: str, *, file: str, catalogue: Catalogue | None = None) -> Fleet:
    """As `load_fleet`, from the text of a file that is called ``file`` in messages."""
    return parse(text, file=file, catalogue=catalogue).fleet


def load(
    path: Path, *, overlay: Path | None = None, catalogue: Catalogue | None = None
) -> LoadedFleet:
    """As `load_fleet`, together with the place of every key. A folder is read as one fleet of which
    each of its ``*.yaml`` is a part.

    Args:
        overlay: a file that is laid over it, see `overlays`.
    """
    parts = [read_document(_text(part), str(part)) for part in files_of(path)]
    document = joined(parts, str(path)) if path.is_dir() else _fleet_file(parts[0])
    if overlay is not None:
        document = laid_over(document, read_document(_text(overlay), str(overlay)))
    return _loaded(document, catalogue)


def parse(text: str, *, file: str, catalogue: Catalogue | None = None) -> LoadedFleet:
    """As `parse_fleet`, together with the place of every key."""
    return _loaded(_fleet_file(read_document(text, file)), catalogue)


def files_of(path: Path) -> list[Path]:
    """The files that are read of a fleet file or a folder of parts, in the order of their names.

    Raises BadFleet for a folder without parts.
    """
    if not path.is_dir():
        return [path]
    if parts := sorted(path.glob("*.yaml")):
        return parts
    raise _unreadable(path, "this is a folder without any *.yaml", "`sutazai init` writes one")


def _fleet_file(document: Document) -> Document:
    if not isinstance(document.data, dict):
        message = f"a fleet file must be keys with values, not {kind_of(document.data)}"
        hint = "begin with `name: my-fleet`; `sutazai init` writes an example"
        raise bad_fleet([document.positions.problem((), message, hint=hint)])
    return document


def _loaded(document: Document, catalogue: Catalogue | None) -> LoadedFleet:
    whole = assemble(document, built_in.agents() if catalogue is None else catalogue)
    fleet = _validated(whole, document.problems)
    return LoadedFleet(assigned(fleet, whole.positions), whole.positions)


def _validated(whole: Assembled, before: tuple[Problem, ...]) -> Fleet:
    problems = [*before, *whole.problems]
    # Strict, and by way of JSON, where lists may stand for tuples and texts for enumerations, but
    # `port: "80"` and `replicas: true` are mistakes.
    try:
        fleet = Fleet.model_validate_json(
            json.dumps(whole.data), strict=True, by_alias=True, by_name=False
        )
    except ValidationError as error:
        found = explain(error.errors(include_url=False), whole.positions)
        raise bad_fleet([*problems, *_elsewhere(found, problems)]) from error
    if problems:
        raise bad_fleet(problems)
    return fleet


def _elsewhere(found: list[Problem], known: list[Problem]) -> list[Problem]:
    """Problems at places of which nothing is known yet: one mistake, one message."""
    places = {(problem.file, problem.line, problem.column) for problem in known}
    return [
        problem for problem in found if (problem.file, problem.line, problem.column) not in places
    ]


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(FILE_MAX + 1)
    except FileNotFoundError as error:
        raise _unreadable(path, "there is no such file", "`sutazai init` writes one") from error
    except IsADirectoryError as error:
        raise _unreadable(path, "this is a folder", "name the file in it") from error
    except (OSError, ValueError) as error:
        raise _unreadable(path, f"it cannot be read: {error}") from error
    if len(content) > FILE_MAX:
        raise _unreadable(path, f"the file is larger than {FILE_MAX // 1024**2} MiB")
    return _decoded(path, content)


def _decoded(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = len(content[content.rfind(b"\n", 0, error.start) + 1 : error.start].decode()) + 1
        raise bad_fleet(
            [Problem(str(path), line, column, "", "this is not UTF-8", "save the file as UTF-8")]
        ) from error


def _unreadable(path: Path, message: str, hint: str | None = None) -> BadFleet:
    return bad_fleet([Problem(str(path), 1, 1, "", message, hint)])
