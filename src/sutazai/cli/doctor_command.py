"""``sutazai doctor``: what this machine offers and lacks, what that means, and the fix."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import typer
from rich.table import Table
from rich.text import Text

from sutazai.cli import fleets
from sutazai.cli.console import console, plain
from sutazai.cli.doctor import Finding, Level, examine, worst
from sutazai.cli.fleet_file import chosen_overlay, meant
from sutazai.cli.model_check import with_model_path
from sutazai.cli.options import FileOption, JsonOption, OverlayOption, StateOption
from sutazai.cli.output import FAILED, print_json, print_warning
from sutazai.fleet.errors import BadFleet
from sutazai.fleet.load import load
from sutazai.fleet.places import Places
from sutazai.fleet.serving import EmbeddedLlm
from sutazai.fleet.spec import Fleet, Ports

MARKS = {
    Level.OK: ("✓", "green"),
    Level.NOTE: ("·", "cyan"),
    Level.WARNING: ("!", "yellow"),
    Level.PROBLEM: ("✗", "bold red"),
}

app = typer.Typer()


@app.command()
def doctor(
    file: FileOption = None,
    overlay: OverlayOption = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what this machine offers and lacks, what that means, and the fix.

    Looks at control groups, memory pressure, limits, swap, WSL, GPU, Ollama, ports, disk. Exit
    code 1 where a fleet would not start or would lose data.
    """
    places = fleets.chosen(state)
    fleet = _fleet(places, file, overlay)
    ports, llm = (fleet.ports, fleet.llm) if fleet else (Ports(), EmbeddedLlm())
    findings = asyncio.run(examine(places, ports, llm=llm))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        console().print(report(findings))
    if worst(findings) is Level.PROBLEM:
        raise typer.Exit(FAILED)


def report(findings: Sequence[Finding]) -> Table:
    """A table of findings; what one means and how to mend it stand below what was found."""
    shown = Table.grid(padding=(0, 2, 0, 0))
    shown.add_column()
    shown.add_column(no_wrap=True)
    shown.add_column(overflow="fold")
    for finding in findings:
        mark, style = MARKS[finding.level]
        shown.add_row(Text(mark, style), Text(finding.subject, "bold"), plain(finding.found))
        shown.add_row("", "", Text(plain(finding.meaning), "dim"))
        if finding.fix:
            shown.add_row("", "", Text.assemble(("→ ", "cyan"), plain(finding.fix)))
    return shown


def _fleet(places: Places, file: Path | None, overlay: str | None) -> Fleet | None:
    """The fleet that runs, else that of the file; None for the built-in one's settings."""
    if file is None and fleets.is_running(places):
        return Fleet.model_validate_json(places.fleet.read_bytes())
    path = meant(file)
    over = chosen_overlay(path, overlay)
    try:
        return with_model_path(load(path, overlay=over).fleet, path) if path else None
    except BadFleet:
        print_warning(f"{path} cannot be used", f"sutazai check {path}")
        return None
