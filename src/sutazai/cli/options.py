"""Options that several commands share, so that they read alike everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StateOption = Annotated[
    Path | None,
    typer.Option(
        "--state",
        envvar="SUTAZAI_STATE",
        metavar="DIR",
        help="State folder of the fleet that is meant.",
    ),
]
FileOption = Annotated[
    Path | None,
    typer.Option("--file", "-f", metavar="FILE", help="Fleet file; else ./fleet.yaml if there."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
AgentArgument = Annotated[str, typer.Argument(metavar="AGENT", help="Name of the agent.")]
