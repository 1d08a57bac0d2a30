"""Which units are frozen instead of ended when they fall asleep. Pure.

A frozen program is back in milliseconds, but it keeps its memory: so only where there is swap to
take it. A `python` agent is forked anew as fast, and a cold unit is to hold nothing.
"""

from __future__ import annotations

from sutazai.fleet.desired import DesiredUnit
from sutazai.fleet.spec import Runtime, Temperature

HEADROOM = 2.0
"""How many times a program's memory there must be of free swap."""


def may_freeze(spec: DesiredUnit, *, memory: int | None, swap_free: int) -> bool:
    """Whether an instance that holds ``memory`` bytes is frozen rather than ended.

    Args:
        memory: None where nobody can tell, or nothing can take it.
    """
    warm = spec.temperature is Temperature.WARM and spec.runtime is Runtime.COMMAND
    return warm and memory is not None and swap_free >= HEADROOM * memory
