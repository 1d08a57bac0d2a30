"""One running instance: its health is checked, its end is noticed, its stop is polite first."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable

from sutazai.fleet.declared import Priority
from sutazai.fleet.desired import DesiredUnit
from sutazai.fleet.status import InstanceStatus, State
from sutazai.host.instances import freezing
from sutazai.host.instances.launcher import Started
from sutazai.host.instances.probes import Health, check
from sutazai.host.limits import Usage, reservation
from sutazai.host.own_metrics import Own
from sutazai.host.units.lifecycle import Seen
from sutazai.wire import Client

START_CHECKS = 0.05
"""Seconds between two checks of an instance that is starting, growing by half each time."""
START_CHECKS_MAX = 1.0
DRAIN_CHECKS = 0.5
"""Seconds between two looks at whether one that takes no more calls has anything in hand."""

Withdraw = Callable[[str], Awaitable[bool]]
"""Tells the gateway that an instance takes no more calls; whether it has one in hand still."""


class Instance:
    """Holds one process.

    Args:
        changed: called whenever its state is another.
        used: told the most memory that it took so far, in bytes, at each good check.
    """

    def __init__(
        self,
        started: Started,
        unit: DesiredUnit,
        client: Client,
        changed: Callable[[Instance], None],
        *,
        state: State = State.STARTING,
        used: Callable[[int], None] | None = None,
    ) -> None:
        self.record = started.record
        self.process = started.process
        self.output = started.output
        self.state = state
        self.since = time.monotonic() - max(0.0, time.time() - started.record.started)
        self.healthy_since: float | None = self.since if state is State.HEALTHY else None
        self.failures = 0
        self.idle: float | None = None
        self.serves: Priority | None = None
        self.own: tuple[Own, ...] = ()
        """What it last told of metrics of its own."""
        self.trouble = ""
        self.stop_reason = ""
        self.stop_wanted = False
        self.survived = 0
        """How many processes of it were killed for want of memory while it went on."""
        self.drained = False
        """Whether it takes no more calls and has nothing in hand, or had long enough for that."""
        self._oom_kills = 0
        self._used = used or (lambda peak: None)
        self.usage = started.usage
        self.bounds = started.bounds
        self.finish = started.finish
        self._reclaim = started.reclaim
        self.unit = unit
        self._client = client
        self._changed = changed
        self._checking = asyncio.create_task(self._check(), name=f"check {self.name}")
        self._draining: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None

    @property
    def draining(self) -> bool:
        """Whether it takes no more calls."""
        return self._draining is not None

    @property
    def name(self) -> str:
        return self.record.instance

    @property
    def healthy_for(self) -> float:
        """Seconds since it became healthy; 0 where it never did."""
        return 0.0 if self.healthy_since is None else time.monotonic() - self.healthy_since

    def seen(self) -> Seen:
        """This instance as the policies see it."""
        return Seen(
            instance=self.name,
            version=self.record.version,
            state=self.state,
            since=self.since,
            failures=self.failures,
            draining=self.draining,
            drained=self.drained,
        )

    def measured(self, pss: int | None) -> InstanceStatus:
        """The same, with what it takes now; ``pss`` in bytes."""
        usage = self.usage() or Usage()
        reserved = None if usage.peak is None else reservation(self.unit, usage.peak)
        return self.status().model_copy(
            update={
                "pss": pss,
                "memory": usage.memory,
                "peak": usage.peak,
                "limit": usage.limit,
                "reserved": reserved,
                "cpu": usage.cpu,
            }
        )

    def status(self) -> InstanceStatus:
        """This instance as people see it."""
        return InstanceStatus(
            instance=self.name,
            pid=self.process.pid,
            state=self.state,
            since=self.record.started,
            version=self.record.version,
            address=self.record.address,
            failures=self.failures,
            trouble=self.trouble,
            attached=self.record.attached,
        )

    def drain(self, withdraw: Withdraw, *, within: float) -> None:
        """Gives it no more calls; ``drained`` says that it has nothing in hand any more.

        After ``within`` seconds it says so in any case.
        """
        if self._draining is None:
            self._draining = asyncio.create_task(
                self._drain(withdraw, within), name=f"drain {self.name}"
            )

    def stop(
        self,
        reason: str,
        *,
        wanted: bool,
        withdraw: Withdraw,
        patience: float | None = None,
        spare: Callable[[], None] | None = None,
    ) -> None:
        """Begins to end the process: no new calls, SIGTERM, and SIGKILL after ``patience`` seconds.

        Without ``patience`` it has the time that its unit declares. With ``spare`` it goes on where
        it has a call in hand still, and ``spare`` is called.
        """
        if self._stopping is None:
            self.stop_reason, self.stop_wanted = reason, wanted
            self._enter(State.STOPPING)
            patience = self.unit.stop_timeout if patience is None else patience
            self._stopping = asyncio.create_task(
                self._stop(withdraw, patience, spare), name=f"stop {self.name}"
            )

    @property
    def memory_to_swap(self) -> int | None:
        """Bytes that it holds and that could be put into swap; None where nothing can do that."""
        return None if self._reclaim is None else (self.usage() or Usage()).memory

    def freeze(self, withdraw: Withdraw, *, spare: Callable[[], None]) -> None:
        """Begins to stop it where it stands: no new calls, SIGSTOP, its memory into swap.

        It goes on where it has a call in hand still, and ``spare`` is called.
        """
        if self._stopping is None:
            self._enter(State.STOPPING)
            self._stopping = asyncio.create_task(
                self._freeze(withdraw, spare), name=f"freeze {self.name}"
            )

    def thaw(self) -> None:
        """It goes on where it stood."""
        freezing.thaw(self.process.pid)
        self._enter(State.HEALTHY)

    async def ended(self) -> None:
        """Waits for the end of the process and of everything that was done about it."""
        await self.process.ended()
        begun = (self._checking, self._draining, self._stopping)
        tasks = [task for task in begun if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        self.process.kill_group()

    async def _drain(self, withdraw: Withdraw, within: float) -> None:
        await withdraw(self.name)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._nothing_in_hand()
        self.drained = True
        self._changed(self)

    async def _nothing_in_hand(self) -> None:
        """Waits for that; of a program that does not tell, it is believed while it is well."""
        while True:
            health = await check(self._client, self.record.address, self.unit.probe)
            if health.well and health.idle != 0.0:
                return
            await asyncio.sleep(DRAIN_CHECKS)

    async def _stop(
        self, withdraw: Withdraw, patience: float, spare: Callable[[], None] | None
    ) -> None:
        if await withdraw(self.name) and spare is not None:
            self._go_on(spare)
            return
        self.process.signal(signal.SIGTERM)
        freezing.thaw(self.process.pid)  # one that stands still would never hear of it
        await asyncio.sleep(patience)
        self.process.signal(signal.SIGKILL)

    async def _freeze(self, withdraw: Withdraw, spare: Callable[[], None]) -> None:
        if await withdraw(self.name) or self._reclaim is None:
            self._go_on(spare)
            return
        freezing.freeze(self.process.pid)
        await asyncio.to_thread(self._reclaim)
        self._stopping = None
        self._enter(State.FROZEN)

    def _go_on(self, spare: Callable[[], None]) -> None:
        self._stopping, self.stop_reason, self.stop_wanted = None, "", False
        spare()
        self._enter(State.HEALTHY)

    async def _check(self) -> None:
        pause = START_CHECKS
        while True:
            if self.state is not State.FROZEN:
                health = await check(self._client, self.record.address, self.unit.probe)
                if self.state not in (State.STOPPING, State.FROZEN):
                    self._judge(health)
            if self.state is State.STARTING:
                await asyncio.sleep(pause)
                pause = min(START_CHECKS_MAX, pause * 1.5)
            else:
                await asyncio.sleep(self.unit.probe.interval)

    def note_load(self, idle: float | None, serves: Priority | None) -> None:
        """What it last said of its work: seconds without any, and the highest priority of it."""
        self.idle, self.serves = idle, serves

    def _judge(self, health: Health) -> None:
        self.trouble = health.reason
        if health.well:
            self.note_load(health.idle, health.serves)
            self.own = health.own
            self.failures = 0
            self._note_survival()
            self.healthy_since = self.healthy_since or time.monotonic()
            self._enter(State.HEALTHY)
        elif self.state is not State.STARTING:
            self.failures += 1
            self._enter(State.UNHEALTHY)

    def _note_survival(self) -> None:
        """What had been counted at the good check before this one did not end it."""
        self.survived = self._oom_kills
        usage = self.usage() or Usage()
        self._oom_kills = usage.oom_kills
        self._used(usage.peak or usage.memory or 0)

    def _enter(self, state: State) -> None:
        entered = state is not self.state
        self.state = state
        if entered or state is State.UNHEALTHY:
            self._changed(self)
