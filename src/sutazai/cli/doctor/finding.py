"""The shape of what the doctor says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much a finding matters, from least to most."""

    OK = "ok"
    NOTE = "note"  # worth knowing; a fleet runs well all the same
    WARNING = "warning"  # a fleet runs, and something will go wrong under load
    PROBLEM = "problem"  # a fleet does not start, or loses data


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report. Ready for JSON by ``dataclasses.asdict``.

    Args:
        subject: what was looked at, in a word or two.
        found: what is there.
        meaning: what that means for a fleet.
        fix: what to type or to do; empty where there is nothing to do.
    """

    subject: str
    level: Level
    found: str
    meaning: str
    fix: str = ""


def worst(findings: Iterable[Finding]) -> Level:
    """The level that matters most among ``findings``; ok without any."""
    order = list(Level)
    return max((finding.level for finding in findings), key=order.index, default=Level.OK)
