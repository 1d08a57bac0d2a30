"""One unit at work: carries out what ``lifecycle`` decides about its instances."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from sutazai.fleet.desired import DesiredUnit, Kind
from sutazai.fleet.facts import Endpoint
from sutazai.fleet.spec import Runtime
from sutazai.fleet.status import Exit, State, UnitStatus
from sutazai.host.bell import Bell
from sutazai.host.demand import NOTHING, Told
from sutazai.host.instances import freezing
from sutazai.host.instances.instance import Instance
from sutazai.host.instances.launcher import Started
from sutazai.host.instances.output import Log
from sutazai.host.units import lifecycle, waking
from sutazai.host.units.condition import Known, best_of, reason_of, state_of
from sutazai.host.units.entrance import Entrance
from sutazai.host.units.past import Past
from sutazai.host.units.presence import ASLEEP, FEWER, Presence
from sutazai.host.units.programs import missing_program
from sutazai.host.units.recycling import recycle
from sutazai.host.units.running import Running
from sutazai.host.units.surroundings import Surroundings
from sutazai.host.units.turns import OUT_OF_TURN, Claim


class Unit:
    """Keeps one unit as it is wanted. It has a task of its own only while there is work."""

    def __init__(self, spec: DesiredUnit, log: Log, around: Surroundings) -> None:
        self.spec = spec
        self.log = log
        self._around = around
        patient = spec.kind is Kind.PLANE
        self._past = Past(spec.name, around.events, around.pace, patient=patient)
        self._running = Running(log, self._past, around, self._on_change)
        self._presence = Presence()
        self._withheld_for: list[str] = []
        self._out_of_turn = False
        self._at_rest = False
        self._entrance = Entrance(around, self._running)
        self._since = time.time()
        self._poked = asyncio.Event()
        self._settled = Bell()
        self._task: asyncio.Task[None] | None = None

    # ---- what is asked of it

    def update(self, spec: DesiredUnit) -> None:
        """Takes on what control wants now; a new version forgives the past."""
        if spec.version != self.spec.version or spec.stopped != self.spec.stopped:
            self._past.forgive()
        self._entrance.waits_for = ""
        shared = _share_of(spec) == _share_of(self.spec)
        self.spec = spec
        for one in () if shared else self.instances:
            self._around.launcher.share_cpu(one.name, spec)
        self.poke()

    def start(self) -> None:
        """Starts it, or starts it again after it failed. Raises Unavailable where it cannot be."""
        if (program := missing_program(self.spec)) is not None:
            raise waking.not_installed(self.spec.name, program)
        self._past.forgive()
        self._presence.wake(time.monotonic())
        self._withheld_for = []
        self.update(self.spec.model_copy(update={"stopped": False}))

    def stop(self) -> None:
        """Ends it until somebody starts it."""
        self._presence.sleep()
        self.update(self.spec.model_copy(update={"stopped": True}))

    def restart(self, only: str | None = None) -> None:
        """Ends the instances that run now, or ``only`` that one; new ones take their place."""
        self.start()
        for instance in self.instances:
            if only in (None, instance.name):
                self._running.end(instance, "restart was asked for", wanted=True)

    async def wake(self) -> tuple[Endpoint, ...]:
        """The unit's ready instances; starts it if it sleeps.

        Raises Unavailable where it cannot be started, DeadlineExceeded after 30 s.
        """
        name = self.spec.name
        if self.spec.runtime is Runtime.REMOTE:
            return (
                Endpoint(agent=self.spec.serves, instance=name, address=self.spec.address or ""),
            )
        waking.check(name, self.state, self.reason, self._past.told())
        self._presence.wake(time.monotonic())
        del self._withheld_for[max(0, self.spec.replicas - 1) :]
        self.poke()
        self._presence.callers += 1
        try:
            async with asyncio.timeout(waking.DEADLINE):
                return await self._ready()
        except TimeoutError as error:
            raise waking.too_late(name, self.reason, self._past.told()) from error
        finally:
            self._presence.callers -= 1

    async def _ready(self) -> tuple[Endpoint, ...]:
        """The unit's ready instances, as soon as there are any."""
        ends = self._past.backoff.ends
        while not (ready := self._around.endpoints.of(self.spec.name)):
            await self._settled.wait()
            self._give_up(ends)
        self._presence.wake(time.monotonic())
        return ready

    def withhold(self, instance: Instance, reason: str, *, patience: float | None = None) -> None:
        """Ends one instance, and runs one fewer until somebody calls or `give_back`.

        ``patience`` is the seconds from SIGTERM to SIGKILL; without it, what is declared.
        """
        if instance.state is not State.STOPPING:
            self._withheld_for.append(reason)
            self._running.end(instance, reason, wanted=True, patience=patience)
            self.poke()

    def sleep(self) -> None:
        """It ends until somebody calls for it again."""
        self._presence.sleep()
        self.poke()

    def try_again(self) -> None:
        """What it waited for may be there."""
        self._entrance.waits_for = ""
        self.poke()

    def give_back(self) -> None:
        """From now on it may run as many instances as it should."""
        self._withheld_for = []
        self.poke()

    async def ended(self) -> None:
        """Waits until no instance is left."""
        while self._running.ends:
            await self._settled.wait()

    async def gone(self, instance: Instance) -> None:
        """Waits until that instance has ended and nothing of it is left."""
        while instance.name in self._running:
            await self._settled.wait()

    def adopt(self, started: Started) -> None:
        """Takes on an instance that an earlier host started, frozen or not."""
        freezing.thaw(started.process.pid)
        self._presence.wake(time.monotonic())
        self._running.take(started, self.spec, State.HEALTHY)

    def poke(self) -> None:
        """Something changed: look again at what to do."""
        self._rest(False)
        self._poked.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._settle(), name=f"unit {self.spec.name}")

    # ---- what it is now

    @property
    def pids(self) -> list[int]:
        return [instance.process.pid for instance in self.instances]

    @property
    def instances(self) -> tuple[Instance, ...]:
        return self._running.instances

    @property
    def restarts(self) -> int:
        return self._past.restarts

    @property
    def last_exit(self) -> Exit | None:
        return self._past.last_exit

    @property
    def idle(self) -> float | None:
        """Seconds for which it has had nothing to do; None where it has, or nobody can tell."""
        return self._presence.idle(self.spec, self._running.here(), self._told(), time.monotonic())

    @property
    def withheld(self) -> int:
        """How many instances fewer than it should it runs, for want of memory."""
        return len(self._withheld_for)

    @property
    def at_rest(self) -> bool:
        """Whether it sleeps with nothing to tell of it, as most of a large fleet: no instance, none
        that is withheld, none that ever ended badly."""
        return self._at_rest

    @property
    def state(self) -> State:
        """Where it stands: the best of its instances, or why it has none."""
        if self._at_rest:
            return State.ASLEEP
        return best_of(one.state for one in self.instances) or state_of(self._known())

    @property
    def reason(self) -> str:
        """Why it stands there, empty where there is nothing to say."""
        return reason_of(self._known())

    def status(self, pss: dict[int, int] | None = None) -> UnitStatus:
        """The unit as people see it; ``pss`` in bytes by process id, None to measure nothing."""
        spec, known = self.spec, self._known()
        return UnitStatus(
            name=spec.name,
            version=spec.version,
            kind=spec.kind,
            runtime=spec.runtime,
            temperature=spec.temperature,
            state=state_of(known),
            reason=reason_of(known),
            since=self._since,
            restarts=self.restarts,
            instances=tuple(
                one.status() if pss is None else one.measured(pss.get(one.process.pid))
                for one in self.instances
            ),
            last_exit=self.last_exit,
        )

    def _known(self) -> Known:
        backoff, wanted = self._past.backoff, self._wanted()
        return Known(
            spec=self.spec,
            states=frozenset(one.state for one in self.instances),
            wanted=wanted,
            missing=missing_program(self.spec),
            blocked_by=self._blocked_by(wanted) or ((OUT_OF_TURN,) if self._out_of_turn else ()),
            backing_off=time.monotonic() < backoff.start_at,
            failed=backoff.failed,
            ends=backoff.ends,
            last_exit=self.last_exit,
            trouble=[one.trouble for one in self.instances if one.trouble],
            withheld_for=self._withheld_for,
        )

    def _blocked_by(self, wanted: int) -> tuple[str, ...]:
        """What a start would have to wait for."""
        needed = self._around.blocked_by(self.spec)
        if wanted == 0:
            return needed
        held = (self._around.held(self.spec, self._is_called), self._entrance.waits_for)
        return (*needed, *(each for each in held if each))

    def _wanted(self) -> int:
        if self.spec.runtime is Runtime.REMOTE or missing_program(self.spec) is not None:
            return 0
        full = self._presence.wanted(
            self.spec, self._running.here(), self._told(), time.monotonic()
        )
        return max(0, full - self.withheld)

    def _told(self) -> Told | None:
        """What the gateway knows of its work."""
        if self.spec.standby:
            return NOTHING
        demands = self._around.endpoints.demands
        return demands.of(self.spec.serves) if demands.known else None

    @property
    def _is_called(self) -> bool:
        return self._presence.woken_at is not None

    # ---- its work

    async def _settle(self) -> None:
        """Decides and acts until nothing is left to watch."""
        while True:
            self._poked.clear()
            self._rescale()
            self._tend_frozen()
            if self._is_called and self._wanted():
                self._entrance.ask_again(self.spec)
            look_again = [await self._do(action) for action in lifecycle.decide(self._observe())]
            self._settled.fire()
            if self._wanted() == 0:
                self._presence.sleep()
                self._entrance.leave(self.spec.name)
                if not self._running.ends:
                    self._rest(self.state is State.ASLEEP and not self._leaves_traces)
                    return
            times = [at for at in look_again if at is not None]
            await self._wait_until(min(times) if times else None)

    @property
    def _leaves_traces(self) -> bool:
        return bool(self._withheld_for or self.restarts)

    def _rest(self, at_rest: bool) -> None:
        if at_rest is not self._at_rest:
            self._at_rest = at_rest
            self._around.rests(self)

    async def _wait_until(self, at: float | None) -> None:
        pause = None if at is None else max(0.0, at - time.monotonic())
        if (look := self._presence.look(self.spec)) is not None:
            pause = look if pause is None else min(look, pause)
        try:
            async with asyncio.timeout(pause):
                await self._poked.wait()
        except TimeoutError:
            return

    def _observe(self) -> lifecycle.Observation:
        spec, wanted = self.spec, self._wanted()
        seen = lifecycle.Observation(
            now=time.monotonic(),
            wanted=wanted,
            version=spec.version,
            side_by_side=spec.address is None,
            grace=spec.probe.grace,
            failures_allowed=spec.probe.failures,
            backoff=self._past.backoff,
            unwanted=self._unwanted(),
            blocked_by=self._blocked_by(wanted),
            renewed=self._around.renewed(spec),
            recycle_after=spec.recycle_after,
            instances=self._seen(),
        )
        return replace(seen, turns=self._turns(lifecycle.missing(seen)))

    def _seen(self) -> tuple[lifecycle.Seen, ...]:
        awake = [here for here in self._running.here() if here.state is not State.FROZEN]
        return tuple(self._running[here.instance].seen() for here in awake)

    def _unwanted(self) -> str:
        """Why it would have fewer instances than run."""
        if self.spec.stopped:
            return "stop was asked for"
        return FEWER if self._wanted() else ASLEEP

    def _rescale(self) -> None:
        if self._wanted() == 0:
            return
        told, now = self._told(), time.monotonic()
        if change := self._presence.rescale(self.spec, self._running.here(), told, now):
            self._around.events.add("scaled", f"{self.spec.name} {change}", unit=self.spec.name)

    def _turns(self, missing: int) -> int:
        """How many of the missing instances may start now."""
        turns = self._around.claim(
            Claim(
                unit=self.spec.name,
                kind=self.spec.kind,
                standing=self.spec.standing,
                priority=self.spec.priority,
                called=self._is_called,
                ends=self._past.backoff.ends,
                starting=sum(one.state is State.STARTING for one in self.instances),
                missing=missing,
            )
        )
        self._out_of_turn = turns < missing
        return turns

    async def _do(self, action: lifecycle.Action) -> float | None:
        """Carries out one action; the time to look again where that is what it says."""
        if isinstance(action, lifecycle.LookAgain):
            return action.at
        if isinstance(action, lifecycle.Stop):
            self._stop(action)
            return None
        if isinstance(action, lifecycle.Drain):
            await recycle(self._running[action.instance], action.age, self._around)
            return None
        return await self._start()

    async def _start(self) -> float | None:
        """Starts one instance where there is room; else it waits until it is told to try again."""
        if not self._entrance.ask(self.spec, called=self._is_called):
            return time.monotonic()  # its turn is somebody else's
        started = await self._running.start(self.spec)
        return None if started else self._past.backoff.start_at

    def _stop(self, action: lifecycle.Stop) -> None:
        """Ends one instance; one that ends for being idle goes on where a call reached it still."""
        instance = self._running[action.instance]
        if action.reason == ASLEEP:
            self._running.freeze_or_end(instance, action.reason, self._keep)
            return
        spare = self._keep if action.reason == FEWER else None
        self._running.end(instance, action.reason, wanted=action.wanted, spare=spare)

    def _tend_frozen(self) -> None:
        """Those that stand still go on where they are needed, and end where they never will be."""
        wanted = self._wanted()
        for one in [one for one in self.instances if one.state is State.FROZEN]:
            if self.spec.stopped or one.record.version != self.spec.version:
                self._running.end(one, self._unwanted(), wanted=True)
            elif wanted > 0:
                self._running.thaw(one)
                wanted -= 1

    def _keep(self) -> None:
        here = [one for one in self.instances if one.state is not State.STOPPING]
        self._presence.keep(len(here), time.monotonic())

    def _on_change(self) -> None:
        self._since = time.time()
        self._around.changed(self.spec.name)
        self.poke()

    def _give_up(self, ends_before: int) -> None:
        """Raises Unavailable once it was tried often enough for whoever waits."""
        backoff = self._past.backoff
        if backoff.failed or backoff.ends - ends_before >= waking.TRIES:
            self._presence.sleep()  # nobody waits any more, so it need not be tried again
            self.poke()
            raise waking.given_up(self.spec.name, self.reason, self._past.told())


def _share_of(spec: DesiredUnit) -> tuple[object, ...]:
    """What says how much of the cores its instances may take."""
    return spec.cpu, spec.priority, spec.throttle
