"""How much memory is counted for an instance: little at first, in steps as it grows. Pure.

A hard limit that small would kill healthy agents, which is why it is only what is counted (and,
where the kernel can, where an instance is slowed down), and the class's maximum is the limit.
"""

from __future__ import annotations

from sutazai.fleet.spec import MIB

STEP = 256 * MIB
FULL = 0.8
"""The part of a reservation above which it grows."""


def grown(reserved: int, used: int, maximum: int | None) -> int:
    """The reservation, in bytes, of an instance that has ``reserved`` and uses ``used``.

    It never shrinks, and never grows above ``maximum``.
    """
    while used > FULL * reserved and (maximum is None or reserved < maximum):
        reserved += STEP
    return reserved if maximum is None else min(reserved, maximum)
