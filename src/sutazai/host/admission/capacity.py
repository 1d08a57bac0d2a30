"""What this machine has to share out."""

from __future__ import annotations

from sutazai.host.admission.desk import Desk
from sutazai.host.admission.room import Capacity
from sutazai.host.machine import read_gpus, read_machine


def capacity() -> Capacity:
    """Memory and cores that everything started from here may take together."""
    found = read_machine()
    return Capacity(memory=found.memory.usable, cores=found.cores.usable)


def swap_free() -> int:
    """Bytes of swap that are free now."""
    return read_machine().memory.swap_free


async def learn_of_gpus(desk: Desk, *, path: str | None = None) -> None:
    """Asks the tools of the GPUs' drivers once, and tells the desk where they answer.

    Args:
        path: folders in which to look for the tools; without it, those of ``PATH``.
    """
    totals = [gpu.memory_total for gpu in await read_gpus(path=path)]
    known = [total for total in totals if total is not None]
    if known:
        desk.has_gpu(sum(known))
