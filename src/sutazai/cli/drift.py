"""``sutazai drift``: what runs otherwise than it is declared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import typer
from rich.console import RenderableType
from rich.text import Text

from sutazai.cli.client import with_control
from sutazai.cli.console import clock, console, plain, table
from sutazai.cli.options import JsonOption, StateOption
from sutazai.cli.output import print_json
from sutazai.fleet.drift import DriftFinding, DriftReport

MUCH = 0.05
"""The share of facts from which drift is marked red."""

app = typer.Typer()


@app.command()
def drift(state: StateOption = None, as_json: JsonOption = False) -> None:
    """Show what runs otherwise than it is declared: versions, environments, limits, code on disk,
    models, settings of backends, and strangers on the fleet's ports."""
    found = with_control(state, lambda control: control.get("/drift"))
    if as_json:
        print_json(found)
        return
    for each in drift_view(DriftReport.model_validate(found)):
        console().print(each)


def drift_view(report: DriftReport) -> Iterator[RenderableType]:
    """The score, the findings, what was healed, and what could not be looked at."""
    count = len(report.findings)
    style = "red" if report.score >= MUCH else "yellow" if count else "green"
    yield Text(f"drift {report.score:.1%}: {count} of {report.checked} facts", style=style)
    if report.findings:
        yield _findings(report.findings)
    for one in report.healed:
        yield Text(f"healed at {clock(one.healed or 0)}: {_whose(one)}, {one.kind}: {one.what}")
    for line in report.unchecked:
        yield Text(f"not compared: {plain(line)}", style="dim")


def _findings(findings: Sequence[DriftFinding]) -> RenderableType:
    shown = table("kind", "of", "what", "expected", "seen", "since", "healed")
    for one in findings:
        healed = clock(one.healed) if one.healed is not None else ""
        texts = (_whose(one), one.what, one.expected, one.seen)
        shown.add_row(one.kind, *map(plain, texts), clock(one.since), healed)
    return shown


def _whose(one: DriftFinding) -> str:
    return one.instance or one.unit
