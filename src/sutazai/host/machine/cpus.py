"""How long each core of the machine was busy."""

from __future__ import annotations

import os
from pathlib import Path

from sutazai.host.machine.files import text
from sutazai.host.machine.reading import ROOT

TICKS = os.sysconf("SC_CLK_TCK")
IDLE = slice(3, 5)
"""Of the numbers of a core: with nothing to do, and waiting for a disk."""
COUNTED = 8
"""The first eight add up; guests, which follow, are counted among them."""


def read_busy(root: Path = ROOT) -> dict[str, float]:
    """Seconds since the machine's start in which each core did anything, by its number; a core that
    was switched off is not there."""
    lines = (line.split() for line in text(root / "proc/stat").splitlines())
    return {
        words[0].removeprefix("cpu"): _busy([int(word) for word in words[1 : COUNTED + 1]])
        for words in lines
        if words and words[0].startswith("cpu") and words[0] != "cpu"
    }


def _busy(ticks: list[int]) -> float:
    return (sum(ticks) - sum(ticks[IDLE])) / TICKS
