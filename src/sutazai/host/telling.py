"""`GET /status` of the host: all units as people see them, told piece by piece. A machine may have
ten thousand, and neither its memory nor anybody's health check should feel that someone looks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from sutazai.fleet.spec import Runtime
from sutazai.fleet.status import HostStatus, IsolationStatus, PressureStatus, State
from sutazai.host.isolation import Isolator
from sutazai.host.limits import Limits
from sutazai.host.memory import proportional
from sutazai.host.units.supervisor import Supervisor
from sutazai.host.units.unit import Unit
from sutazai.wire import Request, Response, Router

PIECE = 100
"""Units after which the event loop may do something else."""


@dataclass(frozen=True)
class Telling:
    """Tells how things stand.

    Args:
        keeper: the process id of who started this host.
        pressure: memory as the policy sees it.
    """

    supervisor: Supervisor
    limits: Limits
    isolator: Isolator
    keeper: int
    pressure: Callable[[], PressureStatus]

    def serve(self, router: Router) -> None:
        """Adds its endpoint to ``router``."""
        router.add("GET", "/status", self._answer)

    async def _answer(self, request: Request) -> Response:
        """All units, or those that `unit` names or that are in one of `states`; with `memory` each
        process is measured (about 1 ms each).

        Of a part of them it is not told how they are isolated.
        """
        name, states = request.query.get("unit"), request.query.get("states")
        units = self._chosen(name, states)
        whole = name is None and states is None
        head = self._head(await self._isolation() if whole else IsolationStatus())
        pids = [pid for unit in units for pid in unit.pids]
        pss = await proportional(pids) if request.query.get("memory") == "1" else None
        return Response(200, [("content-type", "application/json")], _pieces(head, units, pss))

    def _chosen(self, name: str | None, states: str | None) -> Sequence[Unit]:
        units = self.supervisor.units
        if name is not None:
            units = tuple(unit for unit in units if unit.spec.name == name)
        if states is not None:
            wanted = states.split(",")
            units = tuple(unit for unit in units if unit.state in wanted)
        return units

    def _head(self, isolation: IsolationStatus) -> HostStatus:
        return HostStatus(
            pid=os.getpid(),
            revision=self.supervisor.desired.revision,
            keeper=os.getppid() == self.keeper,
            limits=self.limits.kind,
            limits_why=self.limits.why,
            caps_cpu=self.limits.caps_cpu,
            throttle=self.supervisor.throttle,
            pressure=self.pressure(),
            isolation=isolation,
        )

    async def _isolation(self) -> IsolationStatus:
        """Of all units that could run here."""
        programs = (unit for unit in self.supervisor.units if unit.spec.runtime != Runtime.PYTHON)
        absent = {unit.spec.name for unit in programs if unit.state is State.NOT_INSTALLED}
        wanted = self.supervisor.desired.units
        return await self.isolator.status(unit for unit in wanted if unit.name not in absent)


async def _pieces(
    head: HostStatus, units: Sequence[Unit], pss: dict[int, int] | None
) -> AsyncIterator[bytes]:
    """The JSON of ``head`` with the units in it."""
    yield head.model_dump_json(exclude={"units"}).removesuffix("}").encode() + b',"units":['
    for first in range(0, len(units), PIECE):
        told = [unit.status(pss).model_dump_json() for unit in units[first : first + PIECE]]
        yield (("," if first else "") + ",".join(told)).encode()
        await asyncio.sleep(0)
    yield b"]}"
