"""Emergency commands on this machine: frees memory at once, and ends everything to start anew."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import Field, ValidationError

from sutazai.fleet.desired import DesiredUnit
from sutazai.fleet.emergency import Ended, MemoryRelief, RestartPlan
from sutazai.fleet.errors import BadInput
from sutazai.fleet.shapes import Shape
from sutazai.fleet.spec import Temperature
from sutazai.fleet.status import Level
from sutazai.host.instances.instance import Instance
from sutazai.host.pressure.candidates import candidates_of
from sutazai.host.pressure.choice import Candidate, enough, in_order
from sutazai.host.pressure.ending import Ender
from sutazai.host.pressure.growth import Growth
from sutazai.host.pressure.levels import Reading
from sutazai.host.pressure.policy import End, Policy
from sutazai.host.pressure.words import why
from sutazai.host.units.programs import missing_program
from sutazai.host.units.supervisor import Supervisor
from sutazai.host.units.turns import AT_ONCE
from sutazai.wire import Request, Response, Router


class Relief(Shape):
    """What is asked for: free memory until ``until`` percent are in use, or all that is idle."""

    dry_run: bool = False
    until: float | None = Field(None, ge=0, le=100)


class Restart(Shape):
    """What is asked for: end everything, for a new host to start it."""

    dry_run: bool = False


@dataclass(frozen=True, kw_only=True)
class Emergency:
    """Does what is asked for by hand; the policies of pressure are asked who may go.

    Args:
        leave: makes this host end everything in order, and itself.
    """

    supervisor: Supervisor
    policy: Policy
    ender: Ender
    read: Callable[[], Reading]
    measure: Callable[[Sequence[Instance]], Awaitable[Mapping[str, int]]]
    leave: Callable[[], None]

    def serve(self, router: Router) -> None:
        """Adds its endpoints to ``router``."""
        router.add("POST", "/emergency/memory", self._memory)
        router.add("POST", "/emergency/restart", self._restart)

    async def _memory(self, request: Request) -> Response:
        asked = await _asked(request, Relief)
        seen, chosen = await self._chosen(asked.until)
        relief = MemoryRelief(
            dry_run=asked.dry_run,
            total=seen.total,
            used=seen.used,
            percent=round(seen.percent, 1),
            chosen=tuple(_ended(one) for one in chosen),
            freed=sum(one.memory for one in chosen),
        )
        return _answer(relief if asked.dry_run else await self._free(relief, seen, chosen))

    async def _chosen(self, until: float | None) -> tuple[Reading, tuple[Candidate, ...]]:
        """Memory now, and the idle ones that hold what is too much, lowest priority first."""
        units = self.supervisor.units
        memory = await self.measure([one for unit in units for one in unit.instances])
        seen = self.read()
        ordered = in_order(Level.CRITICAL, candidates_of(units, memory, Growth()))
        if until is None:
            return seen, tuple(ordered)
        too_much = seen.used - round(seen.total * until / 100)
        if too_much <= 0:
            return seen, ()
        return seen, enough(ordered, too_much, most=len(ordered))

    async def _free(
        self, relief: MemoryRelief, seen: Reading, chosen: tuple[Candidate, ...]
    ) -> MemoryRelief:
        if not chosen:
            return relief.model_copy(update={"after": relief.percent})
        self.policy.relieved(time.monotonic())
        outcomes = await self.ender.carry_out(
            End(Level.CRITICAL, relief.freed, chosen, asked=True), seen
        )
        ended = tuple(_ended(one, outcome) for one, outcome in outcomes)
        return relief.model_copy(
            update={
                "chosen": ended,
                "freed": sum(one.memory for one in ended if one.outcome == "ended"),
                "after": round(self.read().percent, 1),
            }
        )

    async def _restart(self, request: Request) -> Response:
        asked = await _asked(request, Restart)
        if not asked.dry_run:
            self.leave()
        return _answer(self._plan(asked.dry_run))

    def _plan(self, dry_run: bool) -> RestartPlan:
        units = {unit.spec.name: unit for unit in self.supervisor.units}
        runs = {name for name, unit in units.items() if unit.instances}
        waves = (
            tuple(name for name in wave if name in runs) for wave in self.supervisor.stop_waves()
        )
        return RestartPlan(
            dry_run=dry_run,
            host=os.getpid(),
            instances=sum(len(unit.instances) for unit in units.values()),
            waves=tuple(wave for wave in waves if wave),
            starts=tuple(name for name, unit in units.items() if _starts(unit.spec)),
            at_once=AT_ONCE,
        )


def _starts(spec: DesiredUnit) -> bool:
    """Whether it runs without being asked for."""
    hot = spec.temperature is Temperature.HOT and spec.replicas > 0
    return hot and not spec.stopped and missing_program(spec) is None


S = TypeVar("S", bound=Shape)


async def _asked(request: Request, shape: type[S]) -> S:
    try:
        return shape.model_validate_json(await request.read() or b"{}")
    except ValidationError as error:
        raise BadInput(f"this cannot be asked for: {error}") from error


def _ended(one: Candidate, outcome: str = "") -> Ended:
    return Ended(
        instance=one.instance,
        unit=one.unit,
        priority=one.priority.value,
        memory=one.memory,
        why=why(one, Level.CRITICAL),
        outcome=outcome,
    )


def _answer(value: Shape) -> Response:
    return Response(200, [("content-type", "application/json")], value.model_dump_json().encode())
