"""Puts the host together and runs it until SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence

from sutazai.fleet.desired import DesiredUnit
from sutazai.fleet.places import Places
from sutazai.host.api import HostApi
from sutazai.host.endpoints import Endpoints
from sutazai.host.events import Events
from sutazai.host.launcher import Launcher
from sutazai.host.supervisor import Supervisor
from sutazai.host.zygote import Zygote
from sutazai.wire import Address, Client, Server

LIMITS = "accounting"
"""How limits are held in this version: memory is measured and shown, nothing is capped."""


async def run(places: Places, planes: Sequence[DesiredUnit]) -> None:
    """Supervises this machine until SIGTERM, which ends everything on it in order.

    Args:
        planes: the units that belong to the house itself.
    """
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    for folder in (places.logs, places.instances, places.sockets):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with Client() as client:
        zygote, events = Zygote(places.sockets), Events(places.state / "events.jsonl")
        endpoints = Endpoints(client, Address.parse(f"unix:{places.gateway_socket}"))
        supervisor = Supervisor(
            places,
            planes,
            launcher=Launcher(places, zygote),
            endpoints=endpoints,
            events=events,
            client=client,
        )
        events.add("host-started", f"host started (process {os.getpid()})")
        supervisor.begin()
        server = Server(HostApi(supervisor, events, keeper=os.getppid(), limits=LIMITS).handler)
        await server.listen_unix(places.host_socket, "host")
        telling = asyncio.create_task(endpoints.run(), name="tell the gateway of endpoints")
        await stop.wait()
        await supervisor.stop_all()
        telling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await telling
        await server.close(grace=1.0)
        await zygote.close()
