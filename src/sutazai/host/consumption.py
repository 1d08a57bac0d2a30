"""What units take of the machine, for metrics: counted on over the ends of their instances, and
measured at a bounded cost."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Mapping
from dataclasses import dataclass

from sutazai.host.instances.instance import Instance
from sutazai.host.limits import Usage
from sutazai.host.memory import proportional
from sutazai.host.units.unit import Unit

BREATH = 20
"""Instances after which the event loop may do something else."""

FRESH = 60.0
"""Seconds for which a measured PSS is good."""

MEASURED_AT_ONCE = 30
"""Most processes whose PSS is measured at one look: each costs about 1 ms."""


@dataclass(frozen=True, slots=True)
class Taken:
    """``memory`` in bytes, None where nothing is known; ``cpu`` in seconds since the host began."""

    memory: int | None
    cpu: float


NOTHING = Taken(0, 0.0)
"""What a unit took that never had an instance."""


class Consumption:
    """Looks at units now and then, and remembers what ended in between."""

    def __init__(self) -> None:
        self._ended: defaultdict[str, float] = defaultdict(float)
        self._running: dict[str, tuple[str, float]] = {}
        self._pss: dict[str, tuple[float, int]] = {}
        self._one_at_a_time = asyncio.Lock()

    async def look(self, awake: Iterable[Unit], names: Container[str]) -> Mapping[str, Taken]:
        """What each unit took that took anything, by name; ``names`` are those of all units."""
        async with self._one_at_a_time:
            usages = await _usages(awake)
            self._count(names, usages)
            await self._measure([one for one, usage in usages.items() if usage.memory is None])
            asleep = {name: Taken(0, seconds) for name, seconds in self._ended.items()}
            return asleep | {unit.spec.name: self._taken(unit, usages) for unit in awake}

    def _count(self, names: Container[str], usages: Mapping[Instance, Usage]) -> None:
        """Those that are gone leave to their unit what they had taken."""
        running = {one.name: (one.unit.name, usage.cpu or 0.0) for one, usage in usages.items()}
        for name, (unit, seconds) in self._running.items():
            if name not in running:
                self._ended[unit] += seconds
        self._running = running
        for gone in [name for name in self._ended if name not in names]:
            del self._ended[gone]

    async def _measure(self, instances: Collection[Instance]) -> None:
        """PSS of those that no group counts, the oldest figure first."""
        known = {one.name: self._pss[one.name] for one in instances if one.name in self._pss}
        self._pss, now = known, time.monotonic()
        ages = {one: known.get(one.name, (float("-inf"), 0))[0] for one in instances}
        stale = sorted((one for one in ages if ages[one] < now - FRESH), key=lambda one: ages[one])
        pids = {one.process.pid: one.name for one in stale[:MEASURED_AT_ONCE]}
        measured = await proportional(pids) if pids else {}
        self._pss.update((pids[pid], (now, held)) for pid, held in measured.items())

    def _taken(self, unit: Unit, usages: Mapping[Instance, Usage]) -> Taken:
        memory = [held for one in unit.instances if (held := self._held(one, usages)) is not None]
        running = sum((usages[one].cpu or 0.0) for one in unit.instances if one in usages)
        known = bool(memory) or not unit.instances
        return Taken(sum(memory) if known else None, self._ended.get(unit.spec.name, 0.0) + running)

    def _held(self, one: Instance, usages: Mapping[Instance, Usage]) -> int | None:
        usage = usages.get(one)
        if usage is not None and usage.memory is not None:
            return usage.memory
        return self._pss[one.name][1] if one.name in self._pss else None


async def _usages(units: Iterable[Unit]) -> dict[Instance, Usage]:
    found = {}
    for number, one in enumerate(one for unit in units for one in unit.instances):
        if number % BREATH == 0:
            await asyncio.sleep(0)
        found[one] = one.usage() or Usage()
    return found
