"""Which starts have to wait while memory is short. Pure."""

from __future__ import annotations

from sutazai.fleet.desired import DesiredUnit, Kind, Standing
from sutazai.fleet.spec import Temperature
from sutazai.fleet.status import Level


def is_held(unit: DesiredUnit, level: Level, *, asked: bool) -> bool:
    """Whether ``unit`` may start no instance now.

    Warning holds cold agents; critical also hot ones that nobody called (an idle one would be
    suspended at once); emergency holds everything but what is protected.
    """
    if unit.standing is Standing.PROTECTED or level is Level.NORMAL:
        return False
    if level is Level.EMERGENCY:
        return True
    if unit.kind is not Kind.AGENT:
        return False
    if level is Level.CRITICAL and not asked:
        return True
    return unit.temperature is Temperature.COLD
