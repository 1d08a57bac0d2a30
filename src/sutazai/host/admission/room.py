"""What instances hold, and what there is for all of them together. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sutazai.fleet.desired import DesiredUnit, Kind, Plan
from sutazai.fleet.fit import CORES_OVERBOOKED
from sutazai.fleet.spec import Pool
from sutazai.fleet.units import format_size
from sutazai.host.limits import reservation


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one instance holds: ``memory`` and ``gpu`` in bytes, ``cores``."""

    pool: Pool = Pool.STANDARD
    memory: int = 0
    cores: float = 0.0
    gpu: int = 0

    def without(self, other: Share) -> Share:
        """What is left of it where ``other`` is given back for it."""
        return Share(
            pool=self.pool,
            memory=max(0, self.memory - other.memory),
            cores=max(0.0, self.cores - other.cores),
            gpu=max(0, self.gpu - other.gpu),
        )


def share_of(unit: DesiredUnit, peak: int = 0) -> Share:
    """What an instance of ``unit`` holds that took ``peak`` bytes at most so far.

    The fleet's own processes hold nothing: the plan has set their part aside.
    """
    if unit.kind is Kind.PLANE:
        return Share(pool=Pool.INFRASTRUCTURE)
    return Share(
        pool=unit.pool,
        memory=reservation(unit, peak),
        cores=unit.cpu or 0.0,
        gpu=unit.gpu_memory,
    )


@dataclass(frozen=True, kw_only=True)
class Room:
    """What all instances may hold together; None is without bound.

    Memory is counted without the reserve, which is for bursts only. ``cores`` are those that may be
    promised: more than there are, for hardly all work at the same time.
    """

    memory: int | None = None
    pools: Mapping[Pool, int] = field(default_factory=dict)
    cores: float | None = None
    gpu: int | None = None


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What a machine has: ``memory`` in bytes, 0 where it does not tell; ``cores``; ``gpu``, bytes
    of GPU memory, None where no tool tells."""

    memory: int = 0
    cores: float = 0.0
    gpu: int | None = None


def room_of(plan: Plan | None, machine: Capacity) -> Room:
    """What ``plan`` gives of a machine; everything where there is none."""
    if plan is None:
        return Room()
    totals = [total for total in (plan.total, machine.memory) if total]
    return Room(
        memory=max(0, min(totals) - plan.reserve - plan.house) if totals else None,
        pools=plan.pools,
        cores=machine.cores * CORES_OVERBOOKED or None,
        gpu=machine.gpu,
    )


class Resource(StrEnum):
    """What can be short."""

    MEMORY = "memory"
    POOL = "pool"
    CORES = "cores"
    GPU = "GPU memory"
    LLM = "LLM"


@dataclass(frozen=True, kw_only=True)
class Shortage:
    """Why an instance cannot start now: bytes, or cores.

    Args:
        bound: all that there is; what wants more than that can never start.
    """

    resource: Resource
    wanted: float
    free: float
    bound: float
    pool: Pool | None = None

    @property
    def is_lasting(self) -> bool:
        """Whether no end of another instance helps."""
        return self.wanted > self.bound

    def __str__(self) -> str:
        if self.resource is Resource.LLM:
            return f"the LLM: {self.wanted:.0f} calls wait for it, and its queue is full"
        if self.resource is Resource.CORES:
            return f"CPU: {self.wanted:g} cores wanted, {self._left(f'{self.free:g}')}"
        name = "memory" if self.resource is Resource.POOL else self.resource.value
        return f"{name}: {format_size(self.wanted)} wanted, {self._left(format_size(self.free))}"

    def _left(self, free: str) -> str:
        of = f" of pool {self.pool}" if self.pool is not None else ""
        if not self.is_lasting:
            return f"{free} free{of}"
        bound = self.bound
        whole = f"{bound:g}" if self.resource is Resource.CORES else format_size(bound)
        return f"and there are {whole}{of} in all"
