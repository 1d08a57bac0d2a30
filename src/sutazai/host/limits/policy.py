"""What an instance of a unit may take. Pure.

Agents get one core at most, unless more is declared, and what they may start is bounded. Services
get more of everything that a database needs. What belongs to the house itself is protected: it goes
first where cores are short, and nothing but a declared limit ends it.
"""

from __future__ import annotations

from sutazai.fleet.declared import Priority
from sutazai.fleet.desired import DesiredUnit, Kind, Standing
from sutazai.fleet.spec import RESERVATION
from sutazai.host.limits.interface import Limit
from sutazai.host.limits.reservation import grown

WEIGHTS = {Priority.HIGH: 400, Priority.MEDIUM: 100, Priority.LOW: 25}
SERVICE_WEIGHT = 500
PROTECTED_WEIGHT = 1000

BURST = 1.0
"""Cores that every instance may use while they are free."""

PROCESSES = {Kind.AGENT: 512, Kind.SERVICE: 4096, Kind.PLANE: None}
"""Processes and threads. Some programs start a few threads a core; none needs hundreds."""

OPEN_FILES = {Kind.AGENT: 4096, Kind.SERVICE: 65_536, Kind.PLANE: None}


def limit_of(unit: DesiredUnit) -> Limit:
    """What each instance of ``unit`` may take."""
    memory = unit.memory_limit or None
    return Limit(
        memory=memory,
        reservation=_reservation(unit.kind, memory),
        weight=_weight(unit),
        cores=_cores(unit),
        processes=PROCESSES[unit.kind],
        open_files=OPEN_FILES[unit.kind],
    )


def reservation(unit: DesiredUnit, peak: int) -> int:
    """Bytes that are counted for an instance of ``unit`` which took ``peak`` bytes at most."""
    limit = limit_of(unit)
    return grown(limit.reservation, peak, limit.memory)


def _reservation(kind: Kind, memory: int | None) -> int:
    """A service has all of its memory counted, for a database takes what it is given."""
    if memory is None:
        return RESERVATION
    return memory if kind is Kind.SERVICE else min(memory, RESERVATION)


def _cores(unit: DesiredUnit) -> float | None:
    """While the unit is throttled, no burst."""
    declared = None if unit.cpu is None else max(BURST, unit.cpu)
    if unit.throttle is None:
        return declared
    return unit.throttle if declared is None else min(unit.throttle, declared)


def _weight(unit: DesiredUnit) -> int:
    if unit.standing is Standing.PROTECTED:
        return PROTECTED_WEIGHT
    return SERVICE_WEIGHT if unit.kind is Kind.SERVICE else WEIGHTS[unit.priority]
