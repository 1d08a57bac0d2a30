"""Whether there is room to write new work down."""

from __future__ import annotations

import os
from pathlib import Path

from sutazai.fleet.errors import DiskFull
from sutazai.fleet.units import format_size

SPARE = 32 * 1024 * 1024
"""Bytes that are left to finish what was accepted."""


def check_room(folder: Path, spare: int = SPARE) -> None:
    """Raises DiskFull where less than ``spare`` bytes are free."""
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    if free < spare:
        raise DiskFull(
            f"the disk of {folder} is full ({format_size(free)} free): no new work is taken",
            hint="make room there; what was accepted is kept and goes on",
        )
