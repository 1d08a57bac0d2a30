"""Lets go of an instance that has grown old, as soon as another one took its place."""

from __future__ import annotations

from sutazai.fleet.units import format_duration, format_size
from sutazai.host.instances.instance import Instance
from sutazai.host.memory import proportional
from sutazai.host.units.surroundings import Surroundings

WITHIN = 300.0
"""Seconds that it has for what it has in hand."""


async def recycle(instance: Instance, age: float, around: Surroundings) -> None:
    """Gives it no more calls, and tells of it with its age (seconds) and its memory (PSS)."""
    instance.drain(around.endpoints.withdraw, within=WITHIN)
    pid = instance.process.pid
    memory = (await proportional([pid])).get(pid)
    holds = f", with {format_size(memory)} in use" if memory is not None else ""
    around.events.add(
        "recycled",
        f"{instance.name} is recycled after {format_duration(age)}{holds}; a new one is ready",
        unit=instance.unit.name,
        instance=instance.name,
        age=round(age, 3),
        memory=memory,
    )
