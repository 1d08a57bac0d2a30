"""``python -m sutazai.host STATE_DIR``: the supervisor of one machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import uvloop

from sutazai.fleet.places import Places
from sutazai.host.api import HostApi
from sutazai.host.endpoints import Endpoints
from sutazai.host.events import Events
from sutazai.host.launcher import Launcher
from sutazai.host.planes import planes
from sutazai.host.supervisor import Supervisor
from sutazai.host.zygote import Zygote
from sutazai.wire import Address, Client, Server


def main() -> None:
    """Runs until SIGTERM, which ends everything on this machine in order."""
    places = Places.of(Path(sys.argv[1]))
    for folder in (places.logs, places.instances, places.sockets):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(places))


async def _run(places: Places) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    keeper = os.getppid()
    async with Client() as client:
        zygote, events = Zygote(places.sockets), Events(places.state / "events.jsonl")
        endpoints = Endpoints(client, Address.parse(f"unix:{places.gateway_socket}"))
        supervisor = Supervisor(
            places,
            planes(places),
            launcher=Launcher(places, zygote),
            endpoints=endpoints,
            events=events,
            client=client,
        )
        events.add("host-started", f"host started (process {os.getpid()})")
        supervisor.begin()
        server = Server(HostApi(supervisor, events, keeper=keeper, limits="accounting").handler)
        await server.listen_unix(places.host_socket, "host")
        telling = asyncio.create_task(endpoints.run(), name="tell the gateway of endpoints")
        await stop.wait()
        await supervisor.stop_all()
        telling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await telling
        await server.close(grace=1.0)
        await zygote.close()


if __name__ == "__main__":
    main()
