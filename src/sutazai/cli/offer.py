"""Offers control of a running fleet what is to be its next revision."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sutazai.cli.client import with_control
from sutazai.cli.fleet_file import Accepted
from sutazai.fleet.code import codes_of
from sutazai.fleet.revisions import FleetPlan

ACCEPTED_WITHIN = 60.0
"""Seconds that control has to compare two fleets and keep one."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """How a fleet is to become the next revision.

    Args:
        author: who wants it; without one, this user.
    """

    now: bool = False
    dry_run: bool = False
    reason: str = ""
    author: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As control takes it."""
        return {
            "now": self.now,
            "dry_run": self.dry_run,
            "reason": self.reason,
            "author": self.author or getpass.getuser(),
        }


def offer(state: Path, accepted: Accepted, asked: Asked, *, code: Path | None = None) -> FleetPlan:
    """What control does with the fleet.

    Args:
        code: the folder with the agents' code, where that is not the fleet file's own.

    Raises NotRunning, Unavailable, and whatever control refuses.
    """
    file = accepted.file.absolute() if accepted.file else None
    base = code or (file.parent if file else Path.home())
    value = {
        "fleet": accepted.fleet.model_dump(mode="json", by_alias=True),
        "codes": codes_of(accepted.fleet, base),
        "file": str(file) if file else None,
    }
    return ask(state, "/revisions", {**value, **asked.as_dict()})


def ask(state: Path, path: str, value: dict[str, Any]) -> FleetPlan:
    """Control's answer to a request that makes a revision."""
    answer = with_control(state, lambda control: control.post(path, value, within=ACCEPTED_WITHIN))
    return FleetPlan.model_validate(answer)
