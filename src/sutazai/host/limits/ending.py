"""The end of groups: everything in them is killed, and they are removed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sutazai.host.limits.interface import Limits
from sutazai.host.limits.place import read_place

FIRST_PAUSE, LONGEST_PAUSE = 0.001, 0.25
TRIES = 24
"""Together about 5 s. What the kernel holds on to for longer is left to the next sweep."""


async def dissolve(limits: Limits, instance: str, leader: int) -> bool:
    """Ends what is left of an instance; whether its room is gone."""
    for pause in _pauses():
        limits.kill(instance, leader)
        if limits.remove(instance):
            return True
        await asyncio.sleep(pause)
    return False


async def sweep(limits: Limits, living: Callable[[str], bool]) -> list[str]:
    """Ends what earlier hosts left: every instance that is none of the ``living``."""
    stale = [name for name in limits.names() if not living(name)]
    for name in stale:
        await dissolve(limits, name, 0)
    return stale


def clear(record: Path) -> None:
    """Ends all that runs in the groups of a fleet that has no host any more, and removes them."""
    if (place := read_place(record)) is None:
        return
    limits = place.limits()
    for pause in _pauses():
        for name in limits.names():
            limits.kill(name, 0)
            limits.remove(name)
        limits.close()
        if not any(path.exists() for path in place.parents.values()):
            record.unlink(missing_ok=True)
            return
        time.sleep(pause)


def _pauses() -> Iterator[float]:
    pause = FIRST_PAUSE
    for _ in range(TRIES):
        yield pause
        pause = min(LONGEST_PAUSE, 2 * pause)
