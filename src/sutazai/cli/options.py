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
OverlayOption = Annotated[
    str | None,
    typer.Option(
        "--overlay",
        envvar="SUTAZAI_OVERLAY",
        metavar="NAME",
        help="Lay overlays/NAME.yaml over the fleet file; else that of this machine, if there.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
NowOption = Annotated[
    bool, typer.Option("--now", help="Move every changed agent at once, without a rollout.")
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
]
ReasonOption = Annotated[str, typer.Option("--reason", "-m", help="Why, for the history.")]
AgentArgument = Annotated[str, typer.Argument(metavar="AGENT", help="Name of the agent.")]
