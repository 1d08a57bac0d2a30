"""``sutazai import``: a Compose file, or an old `agents.config.json`, turned into a fleet file."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from sutazai.cli.fleets import LOCAL_FILE
from sutazai.cli.output import print_problem
from sutazai.fleet import agents_config
from sutazai.fleet.compose import BadCompose, Imported, convert, decoded, grouped
from sutazai.fleet.errors import BadInput, Conflict

STANDARD_OUTPUT = Path("-")
VARIABLES_SHOWN = 5

app = typer.Typer()


@app.command()
def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Compose file, or agents.config.json.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Fleet file to write; - prints.")
    ] = LOCAL_FILE,
    agents: Annotated[
        str | None,
        typer.Option(
            "--agents",
            metavar="NAME,...",
            help="Services that are agents, and no others; else names and labels tell.",
        ),
    ] = None,
    adopt: Annotated[
        bool,
        typer.Option("--adopt", help="Take containers that Compose runs already, by their names."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Turn a Compose file or an agents.config.json into a fleet file.

    What a person has to look at is listed.

    Exit code 1 where it cannot be used; every problem is told with its line and the fix.
    """
    imported = _imported(file, _listed(agents), adopt=adopt)
    _write(imported.text, output, force=force)
    for finding in grouped(imported.findings):
        print_problem(finding.as_dict())
    for line in _summary(imported, output):
        print(line, file=sys.stderr)


def _imported(file: Path, agents: list[str] | None, *, adopt: bool) -> Imported:
    text, project = _text(file), _folder(file)
    if not agents_config.is_agents_config(text):
        return convert(text, file=str(file), project=project, agents=agents, adopt=adopt)
    if agents is not None or adopt:
        raise BadInput("`--agents` and `--adopt` are for Compose files", hint="leave them out")
    return agents_config.convert(text, file=str(file), project=project)


def _text(path: Path) -> str:
    try:
        return decoded(path.read_bytes(), file=str(path))
    except OSError as error:
        raise BadCompose(f"{path} cannot be read: {error.strerror}") from error


def _folder(file: Path) -> str:
    """What Compose calls a project that has no name of its own."""
    return file.absolute().parent.name


def _listed(agents: str | None) -> list[str] | None:
    return None if agents is None else [name.strip() for name in agents.split(",") if name.strip()]


def _write(text: str, path: Path, *, force: bool) -> None:
    if path == STANDARD_OUTPUT:
        print(text, end="")
        return
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise Conflict(f"{path} is there already", hint="-o FILE, or --force") from error
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from error


def _summary(imported: Imported, output: Path) -> list[str]:
    """What was made, what is left to a person, and what to do next."""
    printed = output == STANDARD_OUTPUT
    where = "fleet file" if printed else str(output)
    counts = (
        (imported.agents, "agent"),
        (imported.services, "service"),
        (imported.backends, "LLM backend"),
    )
    made = ", ".join(_count(len(names), word) for names, word in counts)
    return [
        f"{where}: {made}",
        *_named("agents", imported.agents),
        *_to_look_at(imported),
        *_to_set(imported),
        "next: read the comments, then sutazai check " + ("FILE" if printed else str(output)),
    ]


def _named(word: str, names: tuple[str, ...]) -> list[str]:
    return [f"{word}: {', '.join(names)}"] if names else []


def _to_look_at(imported: Imported) -> list[str]:
    """How many findings there are, by the key of the Compose file that they are about."""
    if not imported.findings:
        return []
    keys = Counter(_key(finding.path) for finding in imported.findings)
    listed = ", ".join(f"{key} {number}" for key, number in keys.most_common())
    return [f"to look at, by key: {listed}"]


def _key(path: str) -> str:
    """``ports`` of ``services.redis.ports[0]``; ``service`` for one as a whole."""
    parts = path.split("[", 1)[0].split(".")
    if parts[0] != "services":
        return parts[0]
    return parts[2] if len(parts) > 2 else "service"


def _to_set(imported: Imported) -> list[str]:
    names = imported.variables
    if not names:
        return []
    more = f" and {len(names) - VARIABLES_SHOWN} more" if len(names) > VARIABLES_SHOWN else ""
    return [f"to set before sutazai up: {', '.join(names[:VARIABLES_SHOWN])}{more}"]


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
