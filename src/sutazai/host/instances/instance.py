"""One running instance: its health is checked, its end is noticed, its stop is polite first."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable

from sutazai.fleet.declared import Priority
from sutazai.fleet.desired import DesiredUnit
from sutazai.fleet.status import InstanceStatus, State
from sutazai.host.instances.launcher import Started
from sutazai.host.instances.probes import Health, check
from sutazai.host.limits import Usage, reservation
from sutazai.host.units.lifecycle import Seen
from sutazai.wire import Client

START_CHECKS = 0.05
"""Seconds between two checks of an instance that is starting, growing by half each time."""
START_CHECKS_MAX = 1.0

Withdraw = Callable[[str], Awaitable[None]]
"""Tells the gateway that an instance takes no more calls."""


class Instance:
    """Holds one process. ``changed`` is called whenever its state is another."""

    def __init__(
        self,
        started: Started,
        unit: DesiredUnit,
        client: Client,
        changed: Callable[[Instance], None],
        *,
        state: State = State.STARTING,
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
        self.trouble = ""
        self.stop_reason = ""
        self.stop_wanted = False
        self.survived = 0
        """How many processes of it were killed for want of memory while it went on."""
        self._oom_kills = 0
        self._usage = started.usage
        self._unit = unit
        self._client = client
        self._changed = changed
        self._checking = asyncio.create_task(self._check(), name=f"check {self.name}")
        self._stopping: asyncio.Task[None] | None = None

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
        )

    def measured(self, pss: int | None) -> InstanceStatus:
        """The same, with what it takes now; ``pss`` in bytes."""
        usage = self._usage() or Usage()
        reserved = None if usage.peak is None else reservation(self._unit, usage.peak)
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
        )

    def stop(
        self, reason: str, *, wanted: bool, withdraw: Withdraw, patience: float | None = None
    ) -> None:
        """Begins to end the process: no new calls, SIGTERM, and SIGKILL after ``patience`` seconds.

        Without ``patience`` it has the time that its unit declares.
        """
        if self._stopping is None:
            self.stop_reason, self.stop_wanted = reason, wanted
            self._enter(State.STOPPING)
            self._stopping = asyncio.create_task(
                self._stop(withdraw, self._unit.stop_timeout if patience is None else patience),
                name=f"stop {self.name}",
            )

    async def ended(self) -> None:
        """Waits for the end of the process and of everything that was done about it."""
        await self.process.ended()
        tasks = [task for task in (self._checking, self._stopping) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        self.process.kill_group()

    async def _stop(self, withdraw: Withdraw, patience: float) -> None:
        await withdraw(self.name)
        self.process.signal(signal.SIGTERM)
        await asyncio.sleep(patience)
        self.process.signal(signal.SIGKILL)

    async def _check(self) -> None:
        pause = START_CHECKS
        while True:
            health = await check(self._client, self.record.address, self._unit.probe)
            if self.state is not State.STOPPING:
                self._judge(health)
            if self.state is State.STARTING:
                await asyncio.sleep(pause)
                pause = min(START_CHECKS_MAX, pause * 1.5)
            else:
                await asyncio.sleep(self._unit.probe.interval)

    def note_load(self, idle: float | None, serves: Priority | None) -> None:
        """What it last said of its work: seconds without any, and the highest priority of it."""
        self.idle, self.serves = idle, serves

    def _judge(self, health: Health) -> None:
        self.trouble = health.reason
        if health.well:
            self.note_load(health.idle, health.serves)
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
        self._oom_kills = (self._usage() or Usage()).oom_kills

    def _enter(self, state: State) -> None:
        entered = state is not self.state
        self.state = state
        if entered or state is State.UNHEALTHY:
            self._changed(self)
