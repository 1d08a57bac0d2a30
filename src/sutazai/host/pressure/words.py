"""What was done about memory, in words and figures. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sutazai.fleet.status import Level
from sutazai.fleet.units import format_duration, format_size
from sutazai.host.pressure.choice import Candidate
from sutazai.host.pressure.levels import Reading
from sutazai.host.pressure.policy import End

DONE = {
    Level.WARNING: "put to sleep",
    Level.CRITICAL: "suspended",
    Level.EMERGENCY: "killed",
}
"""What is done to instances at each level."""


def reason_of(end: End, seen: Reading) -> str:
    """Why an instance ends, as it is told of the instance."""
    if end.asked:
        return f"{DONE[end.level]}, memory was asked for ({seen})"
    return f"{DONE[end.level]}, memory is short ({end.level}: {seen})"


def why(one: Candidate, level: Level) -> str:
    """Why this one was chosen."""
    standing = f"{one.priority} priority"
    holds = f"holds {format_size(one.memory)}"
    if level is Level.EMERGENCY:
        return f"{standing}, {holds}, grows by {format_size(max(0.0, one.growth))} a second"
    return f"{standing}, idle for {format_duration(one.idle or 0.0)}, {holds}"


def figures_of(seen: Reading) -> dict[str, Any]:
    """A reading as an event has it."""
    return {
        "percent": round(seen.percent, 1),
        "used": seen.used,
        "total": seen.total,
        "stalled": seen.stalled,
    }


def account_of(
    end: End, outcomes: Sequence[tuple[Candidate, str]], seen: Reading, after: Reading
) -> dict[str, Any]:
    """What was seen, who was chosen, why them, and what it freed.

    Args:
        outcomes: everyone who was chosen with what became of it, ``ended`` where it did.
        after: as it was when all had ended. Others take and give memory too, so ``freed`` is what
            the ended ones held, and not the difference.
    """
    return {
        "level": end.level,
        **figures_of(seen),
        "shortage": end.shortage,
        "chosen": [
            {
                "instance": one.instance,
                "unit": one.unit,
                "priority": one.priority,
                "memory": one.memory,
                "growth": round(one.growth),
                "idle": one.idle,
                "why": why(one, end.level),
                "outcome": outcome,
            }
            for one, outcome in outcomes
        ],
        "freed": sum(one.memory for one, outcome in outcomes if outcome == "ended"),
        "after": figures_of(after),
    }
