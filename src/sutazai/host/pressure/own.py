"""The cap on what the host itself may take. Pure.

A host that is over it ends, and the keeper starts another one that adopts everything: nothing that
runs is disturbed, and a leak never gets far.
"""

from __future__ import annotations

MIB = 1024**2
CAP = 128 * MIB
"""Bytes that a host may take with no unit at all."""
CAP_PER_UNIT = MIB // 8
AT_LEAST_UP = 600.0
"""Seconds that a host is left alone for, so that one that needs so much is not started over and
over again."""


def cap_of(units: int) -> int:
    """Bytes that the host of so many units may take."""
    return CAP + CAP_PER_UNIT * units


def should_leave(own: int, *, units: int, uptime: float) -> bool:
    """Whether a host that takes ``own`` bytes makes room for a new one."""
    return own > cap_of(units) and uptime >= AT_LEAST_UP
