"""One unit at work: carries out what ``lifecycle`` decides about its instances."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

from sutazai.fleet.desired import DesiredUnit, Kind
from sutazai.fleet.errors import BadInput, DeadlineExceeded, Failed, NotFound, Unavailable
from sutazai.fleet.facts import Endpoint
from sutazai.fleet.spec import Runtime, Temperature
from sutazai.fleet.status import Exit, State, UnitStatus
from sutazai.host.bell import Bell
from sutazai.host.instances.ends import exit_of
from sutazai.host.instances.instance import Instance
from sutazai.host.instances.launcher import Started
from sutazai.host.instances.output import Log
from sutazai.host.units import lifecycle, temperature
from sutazai.host.units.backoff import Backoff
from sutazai.host.units.programs import missing_program
from sutazai.host.units.surroundings import Surroundings

WAKE_DEADLINE = 30.0
WAKE_TRIES = 3
"""Ends in a row after which whoever waits for a wake-up is told why it fails."""
WHAT_TO_DO = {
    State.STOPPED: "sutazai agents start {name}",
    State.FAILED: "sutazai agents logs {name}; then sutazai agents start {name}",
    State.NOT_INSTALLED: "sutazai agents show {name} says what to install",
}
"""States from which asking for it does not wake a unit, with the way out of each."""
IDLE_LOOKS = 5.0
"""Seconds between two looks at whether an awake unit may go to sleep."""


class Unit:
    """Keeps one unit as it is wanted. It has a task of its own only while there is work."""

    def __init__(self, spec: DesiredUnit, log: Log, around: Surroundings) -> None:
        self.spec = spec
        self.log = log
        self.restarts = 0
        self.last_exit: Exit | None = None
        self._around = around
        self._backoff = Backoff(patient=spec.kind is Kind.PLANE)
        self._instances: dict[str, Instance] = {}
        self._ends: set[asyncio.Task[None]] = set()
        self._woken_at: float | None = None
        self._withheld_for: list[str] = []
        self._since = time.time()
        self._poked = asyncio.Event()
        self._settled = Bell()
        self._task: asyncio.Task[None] | None = None

    # ---- what is asked of it

    def update(self, spec: DesiredUnit) -> None:
        """Takes on what control wants now; a new version forgives the past."""
        if spec.version != self.spec.version or spec.stopped != self.spec.stopped:
            self._backoff = self._backoff.forgiven()
        shared = (spec.cpu, spec.priority) == (self.spec.cpu, self.spec.priority)
        self.spec = spec
        for name in () if shared else self._instances:
            self._around.launcher.share_cpu(name, spec)
        self.poke()

    def start(self) -> None:
        """Starts it, or starts it again after it failed. Raises Unavailable where it cannot be."""
        if (program := missing_program(self.spec)) is not None:
            raise Unavailable(
                f"{self.spec.name} is not installed: {program} is not on this machine",
                hint=WHAT_TO_DO[State.NOT_INSTALLED].format(name=self.spec.name),
            )
        self._backoff = self._backoff.forgiven()
        self._woken_at = time.monotonic()
        self._withheld_for = []
        self.update(self.spec.model_copy(update={"stopped": False}))

    def stop(self) -> None:
        """Ends it until somebody starts it."""
        self._woken_at = None
        self.update(self.spec.model_copy(update={"stopped": True}))

    def restart(self) -> None:
        """Ends the instances that run now; new ones take their place."""
        self.start()
        for instance in self._instances.values():
            self._end(instance, "restart was asked for", wanted=True)

    async def wake(self) -> tuple[Endpoint, ...]:
        """The unit's ready instances; starts it if it sleeps.

        Raises Unavailable where it cannot be started, DeadlineExceeded after 30 s.
        """
        if self.spec.runtime is Runtime.REMOTE:
            return (
                Endpoint(agent=self.spec.name, instance=self.spec.name, address=_url(self.spec)),
            )
        self._refuse_to_wake()
        self._woken_at = time.monotonic()
        del self._withheld_for[max(0, self.spec.replicas - 1) :]
        self.poke()
        ends = self._backoff.ends
        try:
            async with asyncio.timeout(WAKE_DEADLINE):
                while not (ready := self._around.endpoints.of(self.spec.name)):
                    await self._settled.wait()
                    self._give_up(ends)
        except TimeoutError as error:
            because = f": {reason}" if (reason := self._reason()) else ""
            raise DeadlineExceeded(
                f"{self.spec.name} was not ready after {WAKE_DEADLINE:.0f} s{because}",
                **self._why(),
            ) from error
        return ready

    def withhold(self, instance: Instance, reason: str, *, patience: float | None = None) -> None:
        """Ends one instance, and runs one fewer until somebody calls or `give_back`.

        ``patience`` is the seconds from SIGTERM to SIGKILL; without it, what is declared.
        """
        if instance.state is not State.STOPPING:
            self._withheld_for.append(reason)
            self._end(instance, reason, wanted=True, patience=patience)
            self.poke()

    def give_back(self) -> None:
        """From now on it may run as many instances as it should."""
        self._withheld_for = []
        self.poke()

    async def ended(self) -> None:
        """Waits until no instance is left."""
        while self._ends:
            await self._settled.wait()

    async def gone(self, instance: Instance) -> None:
        """Waits until that instance has ended and nothing of it is left."""
        while instance.name in self._instances:
            await self._settled.wait()

    def adopt(self, started: Started) -> None:
        """Takes on an instance that an earlier host started."""
        self._woken_at = time.monotonic()
        self._take(started, State.HEALTHY)

    def poke(self) -> None:
        """Something changed: look again at what to do."""
        self._poked.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._settle(), name=f"unit {self.spec.name}")

    # ---- what it is now

    @property
    def pids(self) -> list[int]:
        return [instance.process.pid for instance in self._instances.values()]

    @property
    def instances(self) -> tuple[Instance, ...]:
        return tuple(self._instances.values())

    @property
    def withheld(self) -> int:
        """How many instances fewer than it should it runs, for want of memory."""
        return len(self._withheld_for)

    @property
    def state(self) -> State:
        """Where it stands: the best of its instances, or why it has none."""
        states = {instance.state for instance in self._instances.values()}
        for state in (State.HEALTHY, State.UNHEALTHY, State.STARTING, State.STOPPING):
            if state in states:
                return state
        return self._state_without_instances()

    def status(self, pss: dict[int, int] | None = None) -> UnitStatus:
        """The unit as people see it; ``pss`` in bytes by process id, None to measure nothing."""
        spec = self.spec
        return UnitStatus(
            name=spec.name,
            kind=spec.kind,
            runtime=spec.runtime,
            temperature=spec.temperature,
            state=self.state,
            reason=self._reason(),
            since=self._since,
            restarts=self.restarts,
            instances=tuple(
                one.status() if pss is None else one.measured(pss.get(one.process.pid))
                for one in self._instances.values()
            ),
            last_exit=self.last_exit,
        )

    def _state_without_instances(self) -> State:
        if self.spec.stopped:
            return State.STOPPED
        if self.spec.runtime is Runtime.REMOTE:
            return State.EXTERNAL
        if self._backoff.failed:
            return State.FAILED
        if missing_program(self.spec) is not None:
            return State.NOT_INSTALLED
        if self._wanted() == 0:
            return State.ASLEEP
        if self._blocked_by():
            return State.WAITING
        return State.BACKING_OFF if time.monotonic() < self._backoff.start_at else State.STARTING

    def _reason(self) -> str:
        if trouble := [one.trouble for one in self._instances.values() if one.trouble]:
            return trouble[0]
        if blocked := self._blocked_by():
            return f"waits for {', '.join(blocked)}"
        if (program := missing_program(self.spec)) is not None:
            return f"{program} is not on this machine"
        failed = self._backoff.failed or not self._instances
        if failed and self.last_exit and self._backoff.ends:
            return self.last_exit.reason
        return self._withheld_for[-1] if self._withheld_for and not self._instances else ""

    def _blocked_by(self) -> tuple[str, ...]:
        """What a start would have to wait for."""
        needed = self._around.blocked_by(self.spec)
        held = self._wanted() > 0 and self._around.held(self.spec, self._woken_at is not None)
        return (*needed, held) if held else needed

    def _wanted(self) -> int:
        if self.spec.runtime is Runtime.REMOTE or missing_program(self.spec) is not None:
            return 0
        idles = [one.idle for one in self._instances.values()]
        known = [idle for idle in idles if idle is not None]
        full = temperature.wanted(
            temperature.Demand(
                now=time.monotonic(),
                temperature=self.spec.temperature,
                replicas=self.spec.replicas,
                stopped=self.spec.stopped,
                woken_at=self._woken_at,
                idle=min(known) if known and len(known) == len(idles) else None,
                idle_after=self.spec.idle_after,
            )
        )
        return max(0, full - self.withheld)

    # ---- its work

    async def _settle(self) -> None:
        """Decides and acts until nothing is left to watch."""
        while True:
            self._poked.clear()
            look_again = [await self._do(action) for action in lifecycle.decide(self._observe())]
            self._settled.fire()
            if self._wanted() == 0:
                self._woken_at = None
                if not self._ends:
                    return
            times = [at for at in look_again if at is not None]
            await self._wait_until(min(times) if times else None)

    async def _wait_until(self, at: float | None) -> None:
        pause = None if at is None else max(0.0, at - time.monotonic())
        if self.spec.temperature is not Temperature.HOT:
            look = min(IDLE_LOOKS, self.spec.idle_after)
            pause = look if pause is None else min(look, pause)
        try:
            async with asyncio.timeout(pause):
                await self._poked.wait()
        except TimeoutError:
            return

    def _observe(self) -> lifecycle.Observation:
        spec = self.spec
        return lifecycle.Observation(
            now=time.monotonic(),
            wanted=self._wanted(),
            version=spec.version,
            side_by_side=spec.address is None,
            grace=spec.probe.grace,
            failures_allowed=spec.probe.failures,
            backoff=self._backoff,
            unwanted="stop was asked for" if spec.stopped else "idle, goes to sleep",
            blocked_by=self._blocked_by(),
            instances=tuple(one.seen() for one in self._instances.values()),
        )

    async def _do(self, action: lifecycle.Action) -> float | None:
        """Carries out one action; the time to look again where that is what it says."""
        if isinstance(action, lifecycle.LookAgain):
            return action.at
        if isinstance(action, lifecycle.Stop):
            self._end(self._instances[action.instance], action.reason, wanted=action.wanted)
            return None
        return await self._start_one()

    async def _start_one(self) -> float | None:
        try:
            started = await self._around.launcher.start(self.spec, self.log)
        except (Failed, BadInput, NotFound, OSError) as error:
            self._note_exit(
                Exit(instance="", at=time.time(), reason=f"could not start: {error}"), 0.0
            )
            return self._backoff.start_at
        instance = self._take(started, State.STARTING)
        self._around.events.add(
            "started",
            f"{instance.name} started (process {instance.process.pid})",
            unit=self.spec.name,
            pid=instance.process.pid,
        )
        return None

    def _take(self, started: Started, state: State) -> Instance:
        instance = Instance(started, self.spec, self._around.client, self._on_change, state=state)
        self._instances[instance.name] = instance
        end = asyncio.create_task(self._see_to_its_end(instance), name=f"end of {instance.name}")
        self._ends.add(end)
        end.add_done_callback(self._on_end)
        self._on_change(instance)
        return instance

    def _end(
        self, instance: Instance, reason: str, *, wanted: bool, patience: float | None = None
    ) -> None:
        withdraw = self._around.endpoints.withdraw
        instance.stop(reason, wanted=wanted, withdraw=withdraw, patience=patience)

    def _on_change(self, instance: Instance) -> None:
        address = instance.record.address
        serves = self.spec.kind is Kind.AGENT and address is not None
        if instance.state is State.HEALTHY:
            if serves:
                self._around.endpoints.ready(
                    Endpoint(agent=self.spec.name, instance=instance.name, address=str(address))
                )
        elif instance.state is State.UNHEALTHY:
            self._around.endpoints.gone(instance.name)
            self._around.events.add(
                "check-failed", f"{instance.name}: {instance.trouble}", unit=self.spec.name
            )
        self._since = time.time()
        self._around.changed(self.spec.name)
        self.poke()

    async def _see_to_its_end(self, instance: Instance) -> None:
        await instance.ended()
        self._around.endpoints.gone(instance.name)
        ending = await self._around.journal.ending_of(instance.process)
        last = await self._around.launcher.end(instance.record, instance.output)
        del self._instances[instance.name]
        if instance.stop_wanted:
            self._around.events.add(
                "stopped", f"{instance.name} stopped: {instance.stop_reason}", unit=self.spec.name
            )
        else:
            self._note_exit(exit_of(instance, ending, last), instance.healthy_for)

    def _on_end(self, task: asyncio.Task[None]) -> None:
        self._ends.discard(task)
        self._since = time.time()
        self._around.changed(self.spec.name)
        self.poke()

    def _note_exit(self, exit_: Exit, healthy_for: float) -> None:
        self.last_exit = exit_
        self.restarts += 1
        self._backoff = self._backoff.ended(
            now=time.monotonic(),
            healthy_for=healthy_for,
            jitter=random.random(),  # noqa: S311 (spreads restarts, guards nothing)
        )
        outcome = "will not be started again" if self._backoff.failed else "is started again"
        self._around.events.add(
            "failed" if self._backoff.failed else "ended",
            f"{exit_.instance or self.spec.name} {exit_.reason}; {self.spec.name} {outcome}",
            unit=self.spec.name,
            ends_in_a_row=self._backoff.ends,
            out_of_memory=exit_.out_of_memory,
            peak=exit_.peak,
            limit=exit_.limit,
            lines=list(exit_.lines),
        )

    # ---- waking

    def _refuse_to_wake(self) -> None:
        state = self._state_without_instances() if not self._instances else self.state
        if state in WHAT_TO_DO:
            reason = f": {said}" if (said := self._reason()) else ""
            hint = WHAT_TO_DO[state].format(name=self.spec.name)
            raise Unavailable(f"{self.spec.name} is {state}{reason}", hint=hint, **self._why())

    def _give_up(self, ends_before: int) -> None:
        if self._backoff.failed or self._backoff.ends - ends_before >= WAKE_TRIES:
            self._woken_at = None  # nobody waits any more, so it need not be tried again
            self.poke()
            raise Unavailable(f"{self.spec.name} does not start: {self._reason()}", **self._why())

    def _why(self) -> dict[str, Any]:
        if self.last_exit is None:
            return {}
        return {"reason": self.last_exit.reason, "lines": list(self.last_exit.lines)}


def _url(spec: DesiredUnit) -> str:
    return spec.address or ""
