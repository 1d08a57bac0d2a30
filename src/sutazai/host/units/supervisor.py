"""All units of one machine: what is wanted of them, in which order they start and stop."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Sequence

from sutazai.fleet.desired import Desired, DesiredUnit, Kind
from sutazai.fleet.errors import NotFound
from sutazai.fleet.order import stop_waves
from sutazai.fleet.places import Places
from sutazai.fleet.spec import Runtime, Temperature
from sutazai.fleet.status import State
from sutazai.host.admission.desk import Desk
from sutazai.host.desired import DesiredFile
from sutazai.host.endpoints import Endpoints
from sutazai.host.events import Events
from sutazai.host.instances.launcher import Launcher
from sutazai.host.instances.output import Log
from sutazai.host.instances.records import Record
from sutazai.host.units.handing import Handing
from sutazai.host.units.lifecycle import Renewed
from sutazai.host.units.pacing import Pace
from sutazai.host.units.surroundings import Surroundings
from sutazai.host.units.turns import Turns
from sutazai.host.units.unit import Unit
from sutazai.wire import Client

STOP_ORDER = (Kind.AGENT, Kind.SERVICE, Kind.PLANE)
RUNNING = (State.HEALTHY, State.UNHEALTHY)
SATISFIED = (State.HEALTHY, State.EXTERNAL)


class Supervisor:
    """Keeps every unit as it is wanted.

    Args:
        planes: units that belong to the house itself and are always wanted.
        held: what a start has to wait for beside other units, as `Surroundings` has it.
    """

    def __init__(
        self,
        places: Places,
        planes: Sequence[DesiredUnit],
        *,
        launcher: Launcher,
        endpoints: Endpoints,
        events: Events,
        client: Client,
        admission: Desk,
        swap_free: Callable[[], int],
        held: Callable[[DesiredUnit, bool], str],
    ) -> None:
        self._places = places
        self._planes = tuple(planes)
        self._file = DesiredFile(places.desired)
        self._launcher = launcher
        self._events = events
        self._units: dict[str, Unit] = {}
        self._awake: dict[str, Unit] = {}
        self._dependents: defaultdict[str, set[str]] = defaultdict(set)
        self._stopping = False
        pace = Pace()
        self._around = Surroundings(
            launcher=launcher,
            endpoints=endpoints,
            events=events,
            client=client,
            admission=admission,
            pace=pace,
            swap_free=swap_free,
            renewed=self._renewed,
            claim=Handing(Turns(pace), self._poke).claim,
            blocked_by=self._blocked_by,
            held=held,
            changed=self._on_change,
            rests=self._on_rest,
        )
        self.desired = self._file.read()
        self._wanted = self._by_name()
        self._arms = self._arms_of_agents()
        admission.share_out(self.desired.plan)

    def begin(self) -> None:
        """Adopts what an earlier host left running, then brings about what is wanted."""
        self._create_missing()
        for record in self._launcher.records():
            self._adopt(record.unit, record)
        for unit in self._units.values():
            unit.poke()

    def want(self, desired: Desired) -> None:
        """From now on this is wanted; an older revision than the present one is ignored."""
        if self._stopping or desired.revision < self.desired.revision:
            return
        self._file.write(desired)
        self.desired = desired
        self._around.admission.share_out(desired.plan)
        self._wanted = self._by_name()
        self._arms = self._arms_of_agents()
        self._create_missing()
        for name, unit in list(self._units.items()):
            if name in self._wanted:
                unit.update(self._wanted[name])
            else:
                unit.stop()
                self._forget_if_ended(name)

    @property
    def units(self) -> tuple[Unit, ...]:
        return tuple(self._units.values())

    @property
    def names(self) -> Container[str]:
        return self._units.keys()

    @property
    def awake(self) -> tuple[Unit, ...]:
        """Those that are not at rest, which may be few of very many."""
        return tuple(self._awake.values())

    @property
    def throttle(self) -> float | None:
        """The cores that each agent is held to in an emergency; None outside of one."""
        held = (unit.throttle for unit in self.desired.units if unit.throttle is not None)
        return min(held, default=None)

    def look_again(self) -> None:
        """Something changed for all units: what was held may start now."""
        for unit in self._units.values():
            unit.poke()

    def unit(self, name: str) -> Unit:
        """One unit by its name; raises NotFound."""
        try:
            return self._units[name]
        except KeyError:
            raise NotFound(
                f"there is no unit {name!r} on this machine", hint="sutazai agents list"
            ) from None

    def serving(self, agent: str) -> list[Unit]:
        """The units that get the agent's calls: while it moves to a new version, several."""
        names = (agent, *self._arms[agent])
        return [self._units[name] for name in names if name in self._units]

    async def stop_all(self) -> None:
        """Ends everything in order: agents, services, planes; dependents before what they need."""
        self._stopping = True
        self._events.add("stopping", "the fleet stops")
        for wave in self.stop_waves():
            await _end(self._units[name] for name in wave if name in self._units)

    def stop_waves(self) -> list[tuple[str, ...]]:
        """The order in which everything ends."""
        needs = {name: unit.spec.depends_on for name, unit in self._units.items()}
        ranks = {name: STOP_ORDER.index(unit.spec.kind) for name, unit in self._units.items()}
        return stop_waves(needs, ranks)

    def _by_name(self) -> dict[str, DesiredUnit]:
        """All that is wanted, by name."""
        return {spec.name: spec for spec in (*self._planes, *self.desired.units)}

    def _arms_of_agents(self) -> defaultdict[str, list[str]]:
        """The units beside an agent's own, by agent."""
        arms: defaultdict[str, list[str]] = defaultdict(list)
        for spec in self.desired.units:
            if spec.agent:
                arms[spec.agent].append(spec.name)
        return arms

    def _create_missing(self) -> None:
        for name, spec in self._wanted.items():
            if name not in self._units:
                self._units[name] = self._new_unit(spec)
            for needed in spec.depends_on:
                self._dependents[needed].add(name)

    def _forget_if_ended(self, name: str) -> None:
        """Lets go of a unit that is no longer wanted and has no instance any more."""
        if name not in self._wanted and name in self._units and not self._units[name].pids:
            del self._units[name]
            self._awake.pop(name, None)

    def _new_unit(self, spec: DesiredUnit) -> Unit:
        unit = Unit(spec, self._log(spec.name), self._around)
        self._awake[spec.name] = unit
        return unit

    def _log(self, name: str) -> Log:
        return Log(self._places.logs, name, lambda: self.desired.logs)

    def _adopt(self, name: str, record: Record) -> None:
        started = self._launcher.adopt(record, self._log(name))
        if started is None:
            self._events.add("missed", f"{record.instance} ended while no host ran", unit=name)
            return
        if name not in self._units:
            self._units[name] = self._new_unit(self._undeclared(record))
        self._units[name].adopt(started)
        self._events.add("adopted", f"{record.instance} goes on", unit=name)

    def _undeclared(self, record: Record) -> DesiredUnit:
        """Stands for a unit that is running but not wanted.

        It ends, unless nothing at all is known of what is wanted: then it is left until control
        says so.
        """
        return DesiredUnit(
            name=record.unit,
            kind=Kind.AGENT,
            version=record.version,
            runtime=Runtime.COMMAND,
            temperature=Temperature.COLD,
            stopped=self.desired.revision > 0,
        )

    def _blocked_by(self, spec: DesiredUnit) -> tuple[str, ...]:
        """What ``spec`` depends on and is not well."""
        return tuple(
            name
            for name in spec.depends_on
            if name not in self._units or self._units[name].state not in SATISFIED
        )

    def _renewed(self, spec: DesiredUnit) -> tuple[Renewed, ...]:
        """Of what ``spec`` is to be restarted with, what runs, and since when."""
        since = {
            name: [one.since for one in self._units[name].instances if one.state in RUNNING]
            for name in spec.restart_with
            if name in self._units
        }
        return tuple(Renewed(name, min(times)) for name, times in since.items() if times)

    def _poke(self, name: str) -> None:
        if name in self._units:
            self._units[name].poke()

    def _on_rest(self, unit: Unit) -> None:
        if unit.at_rest:
            self._awake.pop(unit.spec.name, None)
        elif unit.spec.name in self._units:
            self._awake[unit.spec.name] = unit

    def _on_change(self, name: str) -> None:
        for dependent in self._dependents[name] & self._units.keys():
            self._units[dependent].poke()
        self._forget_if_ended(name)


async def _end(units: Iterable[Unit]) -> None:
    ending = list(units)
    for unit in ending:
        unit.stop()
    await asyncio.gather(*(unit.ended() for unit in ending))
