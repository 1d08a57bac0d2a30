"""The account of what all instances hold. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sutazai.fleet.spec import Pool
from sutazai.host.admission.room import Resource, Room, Share, Shortage

ROUNDING = 1e-6
"""Cores: ten times 0.1 is a whole one."""


class Ledger:
    """What is held, by whom, and what is free.

    Attributes:
        room: what there is.
    """

    def __init__(self, room: Room | None = None) -> None:
        self.room = room or Room()
        self._held: dict[int, Share] = {}
        self._pools: Counter[Pool] = Counter()
        self._memory = 0
        self._gpu = 0
        self._cores = 0.0

    def put(self, seat: int, share: Share) -> None:
        """From now on ``seat`` holds that."""
        self.remove(seat)
        self._held[seat] = share
        self._add(share, 1)

    def remove(self, seat: int) -> None:
        """``seat`` holds nothing any more."""
        if (share := self._held.pop(seat, None)) is not None:
            self._add(share, -1)

    def held(self, pool: Pool) -> int:
        """Bytes that the members of ``pool`` hold together."""
        return self._pools[pool]

    def shortages(self, share: Share) -> Iterator[Shortage]:
        """What is not free of all that ``share`` wants; what wants nothing lacks nothing."""
        room = self.room
        if share.memory and room.memory is not None:
            yield from _lacks(Resource.MEMORY, share.memory, self._memory, room.memory)
        if share.memory and share.pool in room.pools:
            held, bound = self._pools[share.pool], room.pools[share.pool]
            yield from _lacks(Resource.POOL, share.memory, held, bound, share.pool)
        if share.cores and room.cores is not None:
            yield from _lacks(Resource.CORES, share.cores, self._cores, room.cores)
        if share.gpu and room.gpu is not None:
            yield from _lacks(Resource.GPU, share.gpu, self._gpu, room.gpu)

    def _add(self, share: Share, sign: int) -> None:
        self._memory += sign * share.memory
        self._pools[share.pool] += sign * share.memory
        self._gpu += sign * share.gpu
        self._cores += sign * share.cores


def _lacks(
    resource: Resource, wanted: float, held: float, bound: float, pool: Pool | None = None
) -> Iterator[Shortage]:
    free = max(0.0, bound - held)
    if wanted > free + ROUNDING:
        yield Shortage(
            resource=resource, wanted=wanted, free=round(free, 6), bound=bound, pool=pool
        )
