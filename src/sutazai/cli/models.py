"""``sutazai models``: what can be asked for, and what lies on this machine."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from sutazai.cli import fleets
from sutazai.cli.client import with_control
from sutazai.cli.console import console, table
from sutazai.cli.options import JsonOption, StateOption
from sutazai.cli.output import print_json, print_warning
from sutazai.fleet.errors import NoModel
from sutazai.fleet.units import format_size
from sutazai.llm.models import BUILT_IN, Hosted, find_model, models_folder
from sutazai.llm.pull import pull as fetch

app = typer.Typer(no_args_is_help=True, help="List models, or pull one from Hugging Face.")


@dataclass(frozen=True)
class ModelFile:
    """A model on this machine. ``reference`` is what a fleet file writes, ``size`` in bytes."""

    reference: str
    path: str
    size: int


@app.command("list")
def list_models(state: StateOption = None, as_json: JsonOption = False) -> None:
    """List the models that the running fleet serves, and the files on this machine."""
    running = fleets.is_running(fleets.chosen(state))
    served = with_control(state, lambda control: control.get("/models")) if running else []
    files = model_files(models_folder())
    if as_json:
        print_json({"served": served, "files": [asdict(file) for file in files]})
        return
    if running:
        _print_served(served)
    else:
        print_warning("no fleet runs, so only files are listed", "sutazai up")
    _print_files(files)


@app.command()
def pull(
    reference: Annotated[str, typer.Argument(metavar="REF", help="hf:OWNER/REPOSITORY/FILE.gguf")],
) -> None:
    """Pull a model's file from Hugging Face; what was cut off goes on where it ended."""
    hosted = Hosted.parse(reference)
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    screen = console(stderr=True)
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bars:
        task = bars.add_task(hosted.file, total=None)
        path = fetch(
            hosted,
            models_folder(),
            progress=lambda done, total: bars.update(task, completed=done, total=total),
        )
    print(path)
    print(f"to use it, write in the fleet file:\nllm:\n  model: {hosted}")


def model_files(folder: Path) -> list[ModelFile]:
    """Built-in models that are installed, and those that were pulled to ``folder``."""
    return [*_built_in(), *(_pulled(path, folder) for path in sorted(folder.glob("*/*/**/*.gguf")))]


def _built_in() -> list[ModelFile]:
    found = []
    for name in BUILT_IN:
        try:
            model = find_model(name)
        except NoModel:
            continue  # not installed
        found.append(ModelFile(name, str(model.path), model.path.stat().st_size))
    return found


def _pulled(path: Path, folder: Path) -> ModelFile:
    owner, repository, *file = path.relative_to(folder).parts
    hosted = Hosted(repository=f"{owner}/{repository}", file="/".join(file))
    return ModelFile(str(hosted), str(path), path.stat().st_size)


def _print_served(served: list[dict[str, Any]]) -> None:
    shown = table("served", "tier", "backends")
    for model in served:
        tier = "yes" if model.get("tier") else ""
        shown.add_row(model["name"], tier, ", ".join(model["backends"]))
    console().print(shown)


def _print_files(files: list[ModelFile]) -> None:
    shown = table("file", "size", "path")
    for file in files:
        shown.add_row(file.reference, format_size(file.size), file.path)
    console().print(shown)
