"""The runtime of containers: starts them, finds them again, and sees to their end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from sutazai.fleet.desired import Container, DesiredUnit, Kind
from sutazai.fleet.errors import Failed, SutazaiError
from sutazai.fleet.ids import new_tag
from sutazai.fleet.places import Places
from sutazai.fleet.spec import Runtime
from sutazai.host.containers.attaching import address_of, runs_elsewhere
from sutazai.host.containers.contained import Attached, Contained, quietly
from sutazai.host.containers.engine import INSTANCE, Engine, Facts
from sutazai.host.containers.making import Maker
from sutazai.host.containers.output import ContainerOutput
from sutazai.host.containers.place import read_place
from sutazai.host.containers.plan import shares_of
from sutazai.host.containers.position import Position
from sutazai.host.containers.sockets import engine_socket, missing_engine
from sutazai.host.containers.usage import group_of
from sutazai.host.endpoints import Endpoints
from sutazai.host.events import Events
from sutazai.host.instances.launcher import End, Started
from sutazai.host.instances.output import Log
from sutazai.host.instances.ports import free_port
from sutazai.host.instances.process import Process, ProcessId
from sutazai.host.instances.records import Record, Records
from sutazai.host.limits import Bounds, Usage, limit_of
from sutazai.wire import Client


class Containers:
    """Runs containers in the engine that this machine has.

    Args:
        client: asks the engine; belongs to the host.
    """

    def __init__(
        self, places: Places, client: Client, endpoints: Endpoints, events: Events
    ) -> None:
        self._places = places
        self._fleet = str(places.state)
        self._client = client
        self._endpoints = endpoints
        self._events = events
        self._records = Records(places)
        self._maker = Maker(places, endpoints)
        self._engines: dict[str, Engine] = {}
        self._telling: set[asyncio.Task[None]] = set()

    async def start(self, unit: DesiredUnit, log: Log) -> Started:
        """A new container, or one that runs already and is to be taken.

        Raises Failed (no engine, no image, refused), BadFleet (a secret that cannot be read).
        """
        container, engine = _container_of(unit), self._found_engine()
        if container.attach is not None:
            facts = await engine.inspect(container.attach)
            if facts is not None and runs_elsewhere(facts, self._fleet):
                return self._attach(unit, container, facts, engine, log)
        return await self._create(unit, container, engine, log)

    def adopt(self, record: Record, log: Log) -> Started | None:
        """The container of a record, also where it has ended meanwhile: the engine tells how."""
        place = read_place(self._places.containers)
        if place is None:
            self._records.remove(record.instance)
            return None
        if place.gateway:
            self._endpoints.bridge(place.gateway)  # it listens there for those that run
        return self._started(record, Engine(self._client, place.socket), log)

    def share_cpu(self, instance: str, unit: DesiredUnit) -> None:
        """Gives a running container the share of the cores that its unit has now."""
        if (engine := self._engines.get(instance)) is not None:
            update = engine.update(_name_of(instance), shares_of(limit_of(unit)))
            task = asyncio.create_task(quietly(update), name=f"share of {instance}")
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def sweep(self) -> None:
        """Removes containers that an earlier host made and of which it left no record."""
        if (place := read_place(self._places.containers)) is None:
            return
        engine = Engine(self._client, place.socket)
        with contextlib.suppress(SutazaiError):  # the engine is away: the next host looks again
            for each in await engine.ours(self._fleet):
                if not self._records.has(str(each["Labels"].get(INSTANCE))):
                    await engine.remove(str(each["Id"]))

    # ---- a new one

    async def _create(
        self, unit: DesiredUnit, container: Container, engine: Engine, log: Log
    ) -> Started:
        instance = f"{unit.name}-{new_tag(5)}"
        outer = _outer_port(unit)
        record = Record(
            instance=instance,
            unit=unit.name,
            runtime=Runtime.CONTAINER,
            version=unit.version,
            started=time.time(),
            address=f"http://127.0.0.1:{outer}" if outer else None,
            container=_name_of(instance),
        )
        self._records.write(record)
        try:
            facts = await self._maker.make(unit, container, engine, record, outer)
        except BaseException:  # no container without its record, whatever came
            await quietly(engine.remove(record.container))
            self._records.remove(instance)
            raise
        record = _with_process(replace(record, container=str(facts["Id"])), facts)
        self._records.write(record)
        return self._started(record, engine, log)

    # ---- one that runs

    def _attach(
        self, unit: DesiredUnit, container: Container, facts: Facts, engine: Engine, log: Log
    ) -> Started:
        name = str(container.attach)
        record = Record(
            instance=f"{unit.name}-{new_tag(5)}",
            unit=unit.name,
            runtime=Runtime.CONTAINER,
            version=unit.version,
            started=time.time(),
            address=address_of(facts, container.port),
            container=str(facts["Id"]),
            attached=True,
        )
        if record.address is None and unit.kind is Kind.AGENT:
            raise Failed(
                f"the container {name} runs, and nothing says where it is reached",
                hint="set `container_port`, or publish a port of it",
            )
        record = _with_process(record, facts)
        self._records.write(record)
        self._events.add(
            "attached",
            f"{record.instance} is the container {name}, which runs already: this fleet neither "
            "stops nor removes it",
            unit=unit.name,
            container=name,
        )
        place = self._position_of(record)
        place.write_text(str(Position.now(time.time())))
        return self._started(record, engine, log)

    def _started(self, record: Record, engine: Engine, log: Log) -> Started:
        contained = _hold(record, engine)
        output = ContainerOutput(
            engine,
            record.container,
            instance=record.instance,
            log=log,
            place=self._position_of(record),
        )
        if record.attached:
            finish = partial(self._let_go, record, contained, output)
            held = Attached(contained)
            return Started(record, held, output, contained.usage, contained.bounds, finish)
        self._engines[record.instance] = engine
        finish = partial(self._finish, record, contained, output, engine)
        return Started(record, contained, output, contained.usage, contained.bounds, finish)

    async def _finish(
        self, record: Record, contained: Contained, output: ContainerOutput, engine: Engine
    ) -> End:
        await output.close()
        await quietly(engine.remove(record.container))
        self._engines.pop(record.instance, None)
        self._records.remove(record.instance)
        return End(contained.ending(), contained.last_usage())

    async def _let_go(self, record: Record, contained: Contained, output: ContainerOutput) -> End:
        await output.close()
        await contained.leave()
        self._records.remove(record.instance)
        return End(contained.ending(), contained.last_usage())

    def _position_of(self, record: Record) -> Path:
        return self._places.instances / f"{record.instance}.position"

    def _found_engine(self) -> Engine:
        socket = engine_socket(os.environ)
        if socket is None:
            raise Failed(
                f"{missing_engine(os.environ)} is not on this machine",
                hint="install Docker or Podman, and start it; DOCKER_HOST names another socket",
            )
        return Engine(self._client, socket)


def _container_of(unit: DesiredUnit) -> Container:
    if unit.container is None:
        raise Failed(f"{unit.name} is a container without an image", hint="set `image`")
    return unit.container


def _name_of(instance: str) -> str:
    """What the engine calls a container of ours."""
    return f"sutazai-{instance}"


def _outer_port(unit: DesiredUnit) -> str:
    """The port on loopback where an instance is reached; services without one have none."""
    if unit.address is not None:
        return unit.address.rpartition(":")[2]
    return str(free_port()) if unit.kind is Kind.AGENT else ""


def _with_process(record: Record, facts: Facts) -> Record:
    """With the container's first process, where that is seen to be its."""
    pid = facts["State"].get("Pid") or 0
    identity = ProcessId.of(pid) if pid and group_of(record.container, pid) else None
    return record if identity is None else replace(record, **vars(identity))


def _hold(record: Record, engine: Engine) -> Contained:
    process = Process.adopt(record.identity) if record.identity is not None else None
    group = group_of(record.container, record.pid) if process is not None else None

    def count() -> Usage | None:
        return group[0].usage(group[1], record.pid) if group is not None else None

    def bounds() -> Bounds | None:
        return group[0].bounds(group[1]) if group is not None else None

    return Contained(engine, record.container, process, count, bounds)
