"""What each instance holds: the counters of its group where it has one, else its PSS."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from sutazai.host.instances.instance import Instance
from sutazai.host.memory import proportional
from sutazai.host.pressure.growth import Growth

EVERY = 5.0
"""Seconds between two measurements of all instances."""

Measure = Callable[[Sequence[Instance]], Awaitable[Mapping[str, int]]]
"""Bytes by instance, without those that ended meanwhile."""


async def measure(instances: Sequence[Instance]) -> Mapping[str, int]:
    """Measures instances."""
    found, others = {}, {}
    for one in instances:
        usage = one.usage()
        if usage is not None and usage.memory is not None:
            found[one.name] = usage.memory
        else:
            others[one.process.pid] = one.name
    pss = await proportional(others)
    return found | {others[pid]: held for pid, held in pss.items()}


class Holdings:
    """What instances hold, measured anew from time to time, and at once where one is new.

    Attributes:
        memory: bytes by instance.
        growth: how it changed.
    """

    def __init__(self, measure: Measure) -> None:
        self.memory: Mapping[str, int] = {}
        self.growth = Growth()
        self._measure = measure
        self._measured_at = float("-inf")

    async def look(self, now: float, instances: Sequence[Instance]) -> None:
        """``now`` is in seconds, on a clock that never goes back."""
        if now >= self._measured_at + EVERY:
            self._measured_at = now
            self.memory = await self._measure(instances)
            self.growth.note(now, self.memory)
        elif new := [one for one in instances if one.name not in self.memory]:
            self.memory = {**self.memory, **await self._measure(new)}
