"""Looks at memory every second, asks the policy, and has carried out what it decides."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

from sutazai.fleet.desired import Standing
from sutazai.fleet.errors import NotFound
from sutazai.fleet.status import Level, PressureStatus
from sutazai.fleet.units import format_size
from sutazai.host.events import Events
from sutazai.host.instances.instance import Instance
from sutazai.host.pressure.candidates import candidates_of, withheld_of
from sutazai.host.pressure.choice import Candidate
from sutazai.host.pressure.ending import Ender
from sutazai.host.pressure.levels import MARGIN, PERCENT, Reading
from sutazai.host.pressure.measuring import Holdings, Measure
from sutazai.host.pressure.own import cap_of, should_leave
from sutazai.host.pressure.policy import Changed, Decision, End, GiveBack, Observation, Policy
from sutazai.host.pressure.words import figures_of
from sutazai.host.units.supervisor import Supervisor

NEARLY = PERCENT[Level.WARNING] - MARGIN
"""Percent from which instances are measured, so that their growth is known when it matters."""
LOOK = 1.0
"""Seconds between two looks."""


class Watch:
    """Watches the memory of one machine.

    Args:
        read: tells how much memory is in use.
        measure: tells what each instance holds.
        own: bytes that this process holds.
        leave: called where this process holds too much, for a new one to take its place.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        policy: Policy,
        ender: Ender,
        events: Events,
        *,
        read: Callable[[], Reading],
        measure: Measure,
        own: Callable[[], int],
        leave: Callable[[], None],
    ) -> None:
        self._supervisor = supervisor
        self._policy = policy
        self._ender = ender
        self._events = events
        self._read = read
        self._holdings = Holdings(measure)
        self._own = own
        self._leave = leave
        self._began = time.monotonic()
        self._ends: set[asyncio.Task[Any]] = set()

    async def run(self) -> None:
        """Looks for ever."""
        try:
            while True:
                await self._look_again()
                await asyncio.sleep(LOOK)
        finally:
            for task in self._ends:
                task.cancel()
            await asyncio.gather(*self._ends, return_exceptions=True)

    async def _look_again(self) -> None:
        try:
            await self.look()
            self._watch_itself()
        except Exception as error:  # noqa: BLE001 (one look that fails must not be the last)
            context = {"message": "looking at memory failed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)

    def status(self) -> PressureStatus:
        """How it stands, as of the last look."""
        seen = self._policy.reading or Reading(0, 0)
        return PressureStatus(
            level=self._policy.level,
            percent=round(seen.percent, 1),
            used=seen.used,
            total=seen.total,
            stalled=seen.stalled,
            withheld=sum(unit.withheld for unit in self._supervisor.awake),
        )

    async def look(self) -> None:
        """Looks once."""
        seen, now = self._read(), time.monotonic()
        short = self._policy.level is not Level.NORMAL or seen.percent >= NEARLY
        if short:
            await self._holdings.look(now, self._measured)
        observation = Observation(
            now=now,
            reading=seen,
            candidates=self._candidates() if short else (),
            withheld=withheld_of(self._supervisor.awake),
        )
        for decision in self._policy.decide(observation):
            self._carry_out(decision, seen)

    def _candidates(self) -> tuple[Candidate, ...]:
        holdings = self._holdings
        return candidates_of(self._supervisor.units, holdings.memory, holdings.growth)

    @property
    def _measured(self) -> list[Instance]:
        """The instances that may be ended."""
        return [
            instance
            for unit in self._supervisor.awake
            if unit.spec.standing is not Standing.PROTECTED
            for instance in unit.instances
        ]

    def _carry_out(self, decision: Decision, seen: Reading) -> None:
        if isinstance(decision, End):
            name = f"free memory ({decision.level})"
            task = asyncio.create_task(self._ender.carry_out(decision, seen), name=name)
            self._ends.add(task)
            task.add_done_callback(self._ends.discard)
        elif isinstance(decision, GiveBack):
            self._give_back(decision, seen)
        elif isinstance(decision, Changed):
            self._events.add(
                "pressure",
                f"memory: {decision.after} after {decision.before} ({seen})",
                level=decision.after,
                before=decision.before,
                **figures_of(seen),
            )
            self._supervisor.look_again()
        else:
            self._events.add(
                "pressure-stuck",
                f"memory is short by {format_size(decision.shortage)}, and nothing is left that "
                f"may be ended ({decision.level}: {seen})",
                level=decision.level,
                shortage=decision.shortage,
                **figures_of(seen),
            )

    def _give_back(self, decision: GiveBack, seen: Reading) -> None:
        for name in decision.units:
            with contextlib.suppress(NotFound):
                self._supervisor.unit(name).give_back()
        self._events.add(
            "pressure-over",
            f"may run again: {', '.join(decision.units)} ({seen})",
            units=list(decision.units),
            **figures_of(seen),
        )

    def _watch_itself(self) -> None:
        own, units = self._own(), len(self._supervisor.units)
        if should_leave(own, units=units, uptime=time.monotonic() - self._began):
            self._events.add(
                "host-too-large",
                f"the host holds {format_size(own)}, more than {format_size(cap_of(units))}, and "
                "makes room for a new one; nothing else is touched",
                own=own,
                cap=cap_of(units),
            )
            self._leave()
