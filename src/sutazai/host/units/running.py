"""The instances of one unit: how they begin, what is told of them, and how they end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from sutazai.fleet.desired import DesiredUnit, Kind
from sutazai.fleet.errors import BadFleet, BadInput, Failed, NotFound
from sutazai.fleet.facts import Endpoint
from sutazai.fleet.status import Exit, State
from sutazai.fleet.units import format_size
from sutazai.host.admission.desk import Seat
from sutazai.host.instances.ends import exit_of
from sutazai.host.instances.instance import Instance
from sutazai.host.instances.launcher import Started
from sutazai.host.instances.output import Log
from sutazai.host.instances.ports import holder_of
from sutazai.host.units.freezing import may_freeze
from sutazai.host.units.past import Past
from sutazai.host.units.presence import Here, in_order
from sutazai.host.units.surroundings import Surroundings


class Running:
    """What runs of one unit. ``changed`` is called whenever something of it is another.

    Attributes:
        ends: one task for each instance, which sees to its end.
        seats: what each instance holds, by its name.
    """

    def __init__(
        self, log: Log, past: Past, around: Surroundings, changed: Callable[[], None]
    ) -> None:
        self.ends: set[asyncio.Task[None]] = set()
        self.seats: dict[str, Seat] = {}
        self._log = log
        self._past = past
        self._around = around
        self._changed = changed
        self._instances: dict[str, Instance] = {}

    @property
    def instances(self) -> tuple[Instance, ...]:
        return tuple(self._instances.values())

    def here(self) -> list[Here]:
        """The instances with their work, those first that are to stay."""
        busy = self._around.endpoints.demands.busy
        return in_order(
            Here(instance=one.name, state=one.state, idle=one.idle, busy=one.name in busy)
            for one in self._instances.values()
        )

    def __getitem__(self, name: str) -> Instance:
        return self._instances[name]

    def __contains__(self, name: str) -> bool:
        return name in self._instances

    def __bool__(self) -> bool:
        return bool(self._instances)

    async def start(self, spec: DesiredUnit) -> bool:
        """Starts one instance of ``spec``; whether that could be done. If not, it is noted."""
        seat = self._around.admission.take(spec)
        try:
            started = await self._around.launcher.start(spec, self._log)
        except (Failed, BadFleet, BadInput, NotFound, OSError) as error:
            seat.leave()
            reason = f"could not start: {error}"
            self._past.note(Exit(instance="", at=time.time(), reason=reason), 0.0)
            return False
        instance = self.take(started, spec, State.STARTING, seat)
        self._around.events.add(
            "started",
            f"{instance.name} started (process {instance.process.pid})",
            unit=spec.name,
            pid=instance.process.pid,
        )
        return True

    def take(
        self, started: Started, spec: DesiredUnit, state: State, seat: Seat | None = None
    ) -> Instance:
        """From now on that instance is one of ours; without a ``seat`` it takes one."""
        seat = seat or self._around.admission.take(spec)
        instance = Instance(
            started, spec, self._around.client, self._on_change, state=state, used=seat.use
        )
        self._instances[instance.name] = instance
        self.seats[instance.name] = seat
        end = asyncio.create_task(
            self._see_to_its_end(instance, spec.name), name=f"end of {instance.name}"
        )
        self.ends.add(end)
        end.add_done_callback(self._on_end)
        self._on_change(instance)
        return instance

    def end(
        self,
        instance: Instance,
        reason: str,
        *,
        wanted: bool,
        patience: float | None = None,
        spare: Callable[[], None] | None = None,
    ) -> None:
        """Begins to end an instance; the arguments are those of `Instance.stop`."""
        instance.stop(
            reason,
            wanted=wanted,
            withdraw=self._around.endpoints.withdraw,
            patience=patience,
            spare=spare,
        )

    def freeze_or_end(self, instance: Instance, reason: str, spare: Callable[[], None]) -> None:
        """Lets an idle instance stand still where there is swap for its memory; else ends it."""
        memory = instance.memory_to_swap
        if may_freeze(instance.unit, memory=memory, swap_free=self._around.swap_free()):
            instance.freeze(self._around.endpoints.withdraw, spare=spare)
        else:
            self.end(instance, reason, wanted=True, spare=spare)

    def thaw(self, instance: Instance) -> None:
        """It is needed again."""
        self.seats[instance.name].thaw()
        instance.thaw()
        self._around.events.add("thawed", f"{instance.name} goes on", unit=instance.unit.name)

    def _note_frozen(self, instance: Instance) -> None:
        left = instance.memory_to_swap or 0
        self.seats[instance.name].freeze(left)
        self._around.events.add(
            "frozen",
            f"{instance.name} stands still: idle, and there is swap for its memory "
            f"({format_size(left)} left outside of it)",
            unit=instance.unit.name,
            memory=left,
        )

    def _on_change(self, instance: Instance) -> None:
        unit = instance.unit
        if instance.state is State.FROZEN:
            self._note_frozen(instance)
        serves = unit.kind is Kind.AGENT and instance.record.address is not None
        if instance.state is State.HEALTHY and serves and not instance.draining:
            address = str(instance.record.address)
            self._around.endpoints.ready(
                Endpoint(
                    agent=unit.serves,
                    instance=instance.name,
                    address=address,
                    unit=unit.agent and unit.name,
                    concurrency=unit.concurrency if unit.scale is not None else 0,
                )
            )
        elif instance.state is State.UNHEALTHY:
            self._around.endpoints.gone(instance.name)
            self._around.events.add(
                "check-failed", f"{instance.name}: {instance.trouble}", unit=unit.name
            )
        self._changed()

    async def _see_to_its_end(self, instance: Instance, unit: str) -> None:
        await instance.ended()
        self._around.endpoints.gone(instance.name)
        end = await instance.finish()
        del self._instances[instance.name]
        self.seats.pop(instance.name).leave()
        if instance.stop_wanted:
            self._around.events.add(
                "stopped", f"{instance.name} stopped: {instance.stop_reason}", unit=unit
            )
        else:
            told = exit_of(instance, end.ending, end.usage)
            self._past.note(await _with_clash(instance, told), instance.healthy_for)

    def _on_end(self, task: asyncio.Task[None]) -> None:
        self.ends.discard(task)
        self._changed()


async def _with_clash(instance: Instance, exit_: Exit) -> Exit:
    """``exit_`` of one that never was well, with who else has its port, where somebody has."""
    if instance.healthy_since is not None or not (
        taken := await holder_of(instance.record.address)
    ):
        return exit_
    return exit_.model_copy(update={"reason": f"{exit_.reason}; {taken}"})
