"""Puts the host together and runs it until SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Sequence

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
from sutazai.host.instances.environments import Environments, keep_tidy
from sutazai.host.instances.launcher import Launcher
from sutazai.host.instances.processes import Processes
from sutazai.host.instances.zygotes import Zygotes
from sutazai.host.isolation import Isolator, allowed
from sutazai.host.limits import choose, keep_growing
from sutazai.host.pressure.ending import Ender
from sutazai.host.pressure.levels import Reading
from sutazai.host.pressure.measuring import measure
from sutazai.host.pressure.policy import Policy
from sutazai.host.pressure.reading import MemoryReader, own_memory
from sutazai.host.pressure.watch import Watch
from sutazai.host.units.heeding import heed
from sutazai.host.units.neighbours import Neighbours
from sutazai.host.units.supervisor import Supervisor
from sutazai.wire import Address, Client, Server


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
    async with Client() as client:
        limits = choose(f"sutazai-{places.runtime.name}", places.groups)
        events = Events(places.state / "events.jsonl")
        zygotes = Zygotes(places.sockets, lambda *what: events.add(what[0], what[1], unit=what[2]))
        environments = Environments(places.environments)
        endpoints = Endpoints(client, Address.parse(f"unix:{places.gateway_socket}"))
        isolator = Isolator(places, allowed())
        processes = Processes(places, zygotes, environments, limits, isolator)
        containers = Containers(places, client, endpoints, events)
        launcher = Launcher(
            places,
            {
                Runtime.PYTHON: processes,
                Runtime.COMMAND: processes,
                Runtime.CONTAINER: containers,
            },
        )
        policy, read = policy or Policy(), read_memory or MemoryReader().read
        desk = Desk(events, machine or capacity(), lambda: endpoints.demands.llm)
        supervisor = Supervisor(
            places,
            planes,
            launcher=launcher,
            endpoints=endpoints,
            events=events,
            client=client,
            admission=desk,
            swap_free=read_swap or swap_free,
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
        events.add("host-started", f"host started (process {os.getpid()})")
        await watch.look()  # before anything starts: memory may be short already
        isolator.expect(supervisor.desired.units)
        supervisor.begin()
        holding = (
            asyncio.create_task(launcher.sweep(), name="sweep what earlier hosts left"),
            asyncio.create_task(keep_growing(limits), name="let reservations grow"),
            asyncio.create_task(watch.run(), name="watch memory"),
            asyncio.create_task(
                keep_tidy(environments, lambda: supervisor.desired.units),
                name="remove environments that nobody uses",
            ),
            asyncio.create_task(learn_of_gpus(desk), name="learn of GPUs"),
            asyncio.create_task(heed(endpoints, supervisor, desk), name="heed what there is to do"),
        )
        api = HostApi(
            supervisor,
            events,
            keeper=os.getppid(),
            limits=limits,
            isolator=isolator,
            pressure=watch.status,
            emergency=Emergency(
                supervisor=supervisor,
                policy=policy,
                ender=ender,
                read=read,
                measure=measure,
                leave=stop.set,
            ),
        )
        server = Server(api.handler)
        await server.listen_unix(places.host_socket, "host")
        telling = asyncio.create_task(endpoints.run(), name="tell the gateway of endpoints")
        await stop.wait()
        await supervisor.stop_all()
        for task in (telling, *holding):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        limits.close()
        await server.close(grace=1.0)
        zygotes.close()
        await environments.close()
        isolator.close()


def _leave() -> None:
    """Makes room for a new host, which adopts everything: an end in any order would touch more."""
    os.kill(os.getpid(), signal.SIGKILL)
