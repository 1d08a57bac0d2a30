"""``sutazai check``, ``init`` and ``schema``: fleet files, without a fleet."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from sutazai.cli.fleet_file import Accepted, accept
from sutazai.cli.fleets import LOCAL_FILE
from sutazai.cli.model_check import model_size
from sutazai.cli.options import JsonOption, OverlayOption
from sutazai.cli.output import print_json, print_problem
from sutazai.fleet.errors import BadFleet, BadInput, Conflict
from sutazai.fleet.fit import reserved_memory
from sutazai.fleet.ports import listeners
from sutazai.fleet.profiles import profile_text
from sutazai.fleet.schema import fleet_schema
from sutazai.fleet.spec import Fleet, Temperature
from sutazai.fleet.units import format_size

check_app = typer.Typer()
init_app = typer.Typer()
schema_app = typer.Typer()


class Profile(StrEnum):
    """Fleet files that ship with the product."""

    SMALL = "small"
    DEFAULT = "default"
    A = "a"
    B = "b"
    C = "c"
    D = "d"


@check_app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Fleet file.")] = LOCAL_FILE,
    overlay: OverlayOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a fleet file without starting anything.

    Exit code 2 where it cannot be used; every problem is told with its line and the fix.
    """
    if as_json:
        _check_as_json(file, overlay)
        return
    accepted = accept(file, overlay=overlay)
    for warning in accepted.warnings:
        print_problem(warning.as_dict())
    over = f" with {accepted.overlay}" if accepted.overlay else ""
    print(f"{file}{over}: OK. {summary(accepted.fleet)}")


@init_app.command()
def init(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="File to write.")] = LOCAL_FILE,
    profile: Annotated[
        Profile,
        typer.Option("--profile", help="small to learn from; a to d for larger machines."),
    ] = Profile.SMALL,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a commented fleet file to start from. Never replaces one without --force."""
    text = profile_text(profile.value)
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise Conflict(f"{path} is there already", hint="another PATH, or --force") from error
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from error
    option = "" if path == LOCAL_FILE else f" -f {path}"
    print(f"{path} written from profile {profile.value}")
    print(f"next: sutazai check {path}, then sutazai up{option}")


@schema_app.command()
def schema() -> None:
    """Print the JSON Schema of fleet files, for editors."""
    print_json(fleet_schema())


def summary(fleet: Fleet) -> str:
    """What a fleet declares and takes, in one line."""
    temperatures = Counter(agent.temperature for agent in fleet.agents.values())
    counts = ", ".join(f"{temperatures[each]} {each}" for each in Temperature if temperatures[each])
    ports = [listener.port for listener in listeners(fleet)]
    services = f" and {_count(len(fleet.services), 'service')}" if fleet.services else ""
    memory = reserved_memory(fleet, model_size(fleet))
    return (
        f"{_count(len(fleet.agents), 'agent')} ({counts or 'none'}){services}; "
        f"{format_size(memory)} of memory reserved for what always runs; "
        f"{len(ports)} ports, {min(ports)} to {max(ports)}"
    )


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _check_as_json(file: Path, overlay: str | None) -> None:
    """One document either way: whether it can be used, its problems, and what it takes."""
    try:
        print_json(_accepted_document(accept(file, overlay=overlay)))
    except BadFleet as error:
        print_json({"ok": False, "problems": error.data.get("problems", [])})
        raise typer.Exit(error.exit_code) from error


def _accepted_document(accepted: Accepted) -> dict[str, Any]:
    fleet = accepted.fleet
    return {
        "ok": True,
        "fleet": fleet.name,
        "overlay": str(accepted.overlay) if accepted.overlay else None,
        "agents": len(fleet.agents),
        "services": len(fleet.services),
        "memory": reserved_memory(fleet, model_size(fleet)),
        "ports": sorted(listener.port for listener in listeners(fleet)),
        "problems": [warning.as_dict() for warning in accepted.warnings],
    }
