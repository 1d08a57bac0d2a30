"""How many instances of a unit are wanted now. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from sutazai.fleet.spec import Temperature


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What is known of the demand for one unit; times are seconds of one monotonic clock.

    ``idle`` is the time since the busiest instance did something, None where nobody can tell (a
    program of somebody else's), and then the unit stays awake.
    """

    now: float
    temperature: Temperature
    replicas: int
    stopped: bool
    woken_at: float | None
    idle: float | None
    idle_after: float


def wanted(demand: Demand) -> int:
    """Instances that should run: all of a hot unit, of another one only while it is needed."""
    if demand.stopped:
        return 0
    if demand.temperature is Temperature.HOT or _awake(demand):
        return demand.replicas
    return 0


def _awake(demand: Demand) -> bool:
    if demand.woken_at is None:
        return False
    if demand.idle is None or demand.now < demand.woken_at + demand.idle_after:
        return True
    return demand.idle < demand.idle_after
