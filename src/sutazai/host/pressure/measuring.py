"""What each instance holds: the counters of its group where it has one, else its PSS."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from sutazai.host.instances.instance import Instance
from sutazai.host.memory import proportional

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
