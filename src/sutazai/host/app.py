"""Puts the host together and runs it until SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Sequence

from sutazai.fleet.desired import DesiredUnit
from sutazai.fleet.places import Places
from sutazai.host.api import HostApi
from sutazai.host.endpoints import Endpoints
from sutazai.host.events import Events
from sutazai.host.instances.launcher import Launcher
from sutazai.host.instances.zygote import Zygote
from sutazai.host.limits import choose, keep_growing
from sutazai.host.pressure.ending import Ender
from sutazai.host.pressure.levels import Reading
from sutazai.host.pressure.measuring import measure_by
from sutazai.host.pressure.policy import Policy
from sutazai.host.pressure.reading import MemoryReader, own_memory
from sutazai.host.pressure.watch import Watch
from sutazai.host.units.supervisor import Supervisor
from sutazai.wire import Address, Client, Server


async def run(
    places: Places,
    planes: Sequence[DesiredUnit],
    *,
    policy: Policy | None = None,
    read_memory: Callable[[], Reading] | None = None,
) -> None:
    """Supervises this machine until SIGTERM, which ends everything on it in order.

    Args:
        planes: the units that belong to the house itself.
        policy: decides about memory.
        read_memory: tells how much memory is in use; without it, the kernel is asked.
    """
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    for folder in (places.logs, places.instances, places.sockets):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with Client() as client:
        limits = choose(f"sutazai-{places.runtime.name}", places.groups)
        zygote, events = Zygote(places.sockets), Events(places.state / "events.jsonl")
        endpoints = Endpoints(client, Address.parse(f"unix:{places.gateway_socket}"))
        launcher = Launcher(places, zygote, limits)
        policy, read = policy or Policy(), read_memory or MemoryReader().read
        supervisor = Supervisor(
            places,
            planes,
            launcher=launcher,
            endpoints=endpoints,
            events=events,
            client=client,
            held=policy.held,
        )
        watch = Watch(
            supervisor,
            policy,
            Ender(supervisor, client, events, read),
            events,
            read=read,
            measure=measure_by(launcher),
            own=own_memory,
            leave=_leave,
        )
        events.add("host-started", f"host started (process {os.getpid()})")
        await watch.look()  # before anything starts: memory may be short already
        supervisor.begin()
        holding = (
            asyncio.create_task(launcher.sweep(), name="sweep what earlier hosts left"),
            asyncio.create_task(keep_growing(limits), name="let reservations grow"),
            asyncio.create_task(watch.run(), name="watch memory"),
        )
        api = HostApi(supervisor, events, keeper=os.getppid(), limits=limits, pressure=watch.status)
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
        await zygote.close()


def _leave() -> None:
    """Makes room for a new host, which adopts everything: an end in any order would touch more."""
    os.kill(os.getpid(), signal.SIGKILL)
