"""Whom chaos hits: the processes of the fleet that run now."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from random import Random

from sutazai.cli.keeper_link import ask_keeper
from sutazai.cli.sweep import mark_of, marked
from sutazai.client import Control
from sutazai.fleet.chaos import AGENTS
from sutazai.fleet.errors import SutazaiError
from sutazai.fleet.status import FleetStatus, State, UnitStatus

HOST = "host"
WELL = (State.HEALTHY, State.ASLEEP)

_ASK_WITHIN = 3.0


@dataclass(frozen=True)
class Victim:
    """One process of a unit."""

    unit: str
    pid: int


class Victims:
    """Finds them by the fleet's status; while control is down, by its last one."""

    def __init__(self, control: Control, chance: Random) -> None:
        self._control = control
        self._chance = chance
        self._last: FleetStatus | None = None

    async def drawn(self, what: str, count: int) -> list[Victim]:
        """``count`` instances of agents where ``what`` says so, else all of the unit ``what``.

        Only those whose process is the fleet's still: none where nothing of it runs.
        """
        if what == HOST:
            return await self._host()
        status = await self.status()
        units = () if status is None else units_of(status)
        if what == AGENTS:
            agents = () if status is None else status.agents
            found = [Victim(unit.name, each.pid) for unit in agents for each in unit.instances]
            self._chance.shuffle(found)
        else:
            named = (unit for unit in units if unit.name == what)
            found = [Victim(unit.name, each.pid) for unit in named for each in unit.instances]
        ours = set(marked(mark_of(self._control.places)))
        living = [victim for victim in found if victim.pid in ours]
        return living[:count] if what == AGENTS else living

    async def is_back(self, victim: Victim) -> bool:
        """Whether the unit does without this process again."""
        if victim.unit == HOST:
            found = await self._host()
            return bool(found) and found[0].pid != victim.pid
        status = await self._asked()
        units = () if status is None else units_of(status)
        unit = next((unit for unit in units if unit.name == victim.unit), None)
        return (
            unit is not None
            and unit.state in WELL
            and all(each.pid != victim.pid for each in unit.instances)
        )

    async def status(self) -> FleetStatus | None:
        """The fleet's status, or the last that was told."""
        self._last = await self._asked() or self._last
        return self._last

    async def _asked(self) -> FleetStatus | None:
        try:
            return await self._control.status(within=_ASK_WITHIN)
        except SutazaiError:
            return None

    async def _host(self) -> list[Victim]:
        ask = {"op": "status"}
        try:
            told = await asyncio.to_thread(
                ask_keeper, self._control.places, ask, deadline=_ASK_WITHIN
            )
        except SutazaiError:
            return []
        pid = told.get("host_pid")
        return [Victim(HOST, pid)] if isinstance(pid, int) and pid != os.getpid() else []


def units_of(status: FleetStatus) -> tuple[UnitStatus, ...]:
    """Agents, services and planes."""
    return (*status.agents, *status.services, *status.planes)
