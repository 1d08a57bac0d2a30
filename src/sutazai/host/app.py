"""Puts the host together and runs it until SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from sutazai.fleet.desired import DesiredUnit
from sutazai.fleet.places import Places
from sutazai.fleet.spec import Runtime
from sutazai.host.admission.capacity import capacity, learn_of_gpus, swap_free
from sutazai.host.admission.desk import Desk
from sutazai.host.admission.room import Capacity
from sutazai.host.api import HostApi
from sutazai.host.containers import Containers
from sutazai.host.emergency import Emergency
from sutazai.host.endpoints import Endpoints
from sutazai.host.events import Events
from sutazai.host.inspection import Inspection
from sutazai.host.instances.environments import Environments, keep_tidy
from sutazai.host.instances.launcher import Launcher, Starter
from sutazai.host.instances.processes import Processes
from sutazai.host.instances.zygotes import Zygotes
from sutazai.host.isolation import Isolator, allowed
from sutazai.host.limits import Limits, choose, keep_growing
from sutazai.host.metrics import HostMetrics
from sutazai.host.pressure.ending import Ender
from sutazai.host.pressure.levels import Reading
from sutazai.host.pressure.measuring import measure
from sutazai.host.pressure.policy import Policy
from sutazai.host.pressure.reading import MemoryReader, own_memory
from sutazai.host.pressure.watch import Watch
from sutazai.host.telling import Telling
from sutazai.host.units.heeding import heed
from sutazai.host.units.neighbours import Neighbours
from sutazai.host.units.supervisor import Supervisor
from sutazai.wire import Address, Client, Server


@dataclass(frozen=True)
class House:
    """The parts of one host."""

    events: Events
    endpoints: Endpoints
    limits: Limits
    isolator: Isolator
    environments: Environments
    zygotes: Zygotes
    launcher: Launcher
    desk: Desk
    supervisor: Supervisor
    ender: Ender
    watch: Watch


async def run(
    places: Places,
    planes: Sequence[DesiredUnit],
    *,
    policy: Policy | None = None,
    read_memory: Callable[[], Reading] | None = None,
    machine: Capacity | None = None,
    read_swap: Callable[[], int] | None = None,
) -> None:
    """Supervises this machine until SIGTERM, which ends everything on it in order.

    Args:
        planes: the units that belong to the house itself.
        policy: decides about memory.
        read_memory: tells how much memory is in use; without it, the kernel is asked.
        machine: what it has to share out; without it, the kernel is asked, too.
        read_swap: tells how many bytes of swap are free.
    """
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    for folder in (places.logs, places.instances, places.sockets):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    policy, read = policy or Policy(), read_memory or MemoryReader().read
    async with Client() as client:
        house = _house(
            places, planes, client, policy, read, machine or capacity(), read_swap or swap_free
        )
        house.events.add("host-started", f"host started (process {os.getpid()})")
        await house.watch.look()  # before anything starts: memory may be short already
        house.isolator.expect(house.supervisor.desired.units)
        house.supervisor.begin()
        working = _background(house)
        emergency = Emergency(
            supervisor=house.supervisor,
            policy=policy,
            ender=house.ender,
            read=read,
            measure=measure,
            leave=stop.set,
        )
        server = Server(_api(house, emergency).handler)
        await server.listen_unix(places.host_socket, "host")
        await stop.wait()
        await house.supervisor.stop_all()
        await _end(working)
        await server.close(grace=1.0)
        await _close(house)


def _house(
    places: Places,
    planes: Sequence[DesiredUnit],
    client: Client,
    policy: Policy,
    read: Callable[[], Reading],
    machine: Capacity,
    read_swap: Callable[[], int],
) -> House:
    """Puts the parts together; nothing runs yet."""
    limits = choose(f"sutazai-{places.runtime.name}", places.groups)
    events = Events(places.state / "events.jsonl")
    endpoints = Endpoints(client, Address.parse(f"unix:{places.gateway_socket}"))
    zygotes = Zygotes(
        places.sockets,
        lambda *what: events.add(what[0], what[1], unit=what[2]),
        kept=places.kept_code,
    )
    environments = Environments(places.environments)
    isolator = Isolator(places, allowed())
    processes = Processes(places, zygotes, environments, limits, isolator)
    containers = Containers(places, client, endpoints, events)
    starters: dict[Runtime, Starter] = {
        Runtime.PYTHON: processes,
        Runtime.COMMAND: processes,
        Runtime.CONTAINER: containers,
    }
    launcher = Launcher(places, starters)
    desk = Desk(events, machine, lambda: endpoints.demands.llm)
    supervisor = Supervisor(
        places,
        planes,
        launcher=launcher,
        endpoints=endpoints,
        events=events,
        client=client,
        admission=desk,
        swap_free=read_swap,
        held=policy.held,
    )
    desk.meet(Neighbours(supervisor))
    ender = Ender(supervisor, client, events, read)
    watch = Watch(
        supervisor,
        policy,
        ender,
        events,
        read=read,
        measure=measure,
        own=own_memory,
        leave=_leave,
    )
    return House(
        events=events,
        endpoints=endpoints,
        limits=limits,
        isolator=isolator,
        environments=environments,
        zygotes=zygotes,
        launcher=launcher,
        desk=desk,
        supervisor=supervisor,
        ender=ender,
        watch=watch,
    )


def _background(house: House) -> list[asyncio.Task[None]]:
    """What goes on beside the API, each with a name."""
    supervisor = house.supervisor
    tidying = keep_tidy(house.environments, lambda: supervisor.desired.units)
    work: dict[str, Coroutine[Any, Any, None]] = {
        "sweep what earlier hosts left": house.launcher.sweep(),
        "let reservations grow": keep_growing(house.limits),
        "watch memory": house.watch.run(),
        "remove environments that nobody uses": tidying,
        "learn of GPUs": learn_of_gpus(house.desk),
        "heed what there is to do": heed(house.endpoints, supervisor, house.desk),
        "tell the gateway of endpoints": house.endpoints.run(),
    }
    return [asyncio.create_task(coroutine, name=name) for name, coroutine in work.items()]


def _api(house: House, emergency: Emergency) -> HostApi:
    supervisor, pressure, keeper = house.supervisor, house.watch.status, os.getppid()
    return HostApi(
        supervisor,
        house.events,
        isolator=house.isolator,
        telling=Telling(supervisor, house.limits, house.isolator, keeper, pressure),
        emergency=emergency,
        metrics=HostMetrics(supervisor, house.desk, pressure),
        inspection=Inspection(supervisor, keeper=keeper, caps_cpu=house.limits.caps_cpu),
    )


async def _end(working: Sequence[asyncio.Task[None]]) -> None:
    for task in working:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _close(house: House) -> None:
    house.limits.close()
    house.zygotes.close()
    await house.environments.close()
    house.isolator.close()


def _leave() -> None:
    """Makes room for a new host, which adopts everything: an end in any order would touch more."""
    os.kill(os.getpid(), signal.SIGKILL)
