"""Runs the gateway: ``python -m sutazai.gateway STATE_DIR``."""

from __future__ import annotations

import argparse
import asyncio
import logging
import resource
import signal
import sys
from pathlib import Path

import uvloop

from sutazai.fleet.errors import SutazaiError
from sutazai.fleet.places import Places
from sutazai.gateway.app import Gateway, Listening
from sutazai.gateway.doors.listeners import OwnSockets
from sutazai.gateway.garbage import Collector


def main() -> int:
    """Exit code 0 after SIGTERM or SIGINT, otherwise that of the error."""
    options = _options()
    # The host notes the time of each line.
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    _allow_many_connections()
    # The thread that writes records gives the event loop its turn sooner.
    sys.setswitchinterval(0.0005)
    try:
        uvloop.run(_serve(Places.of(options.state), own_sockets=options.own_sockets))
    except SutazaiError as error:
        print(f"gateway: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  {error.hint}", file=sys.stderr)
        return error.exit_code
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sutazai.gateway", description="The data plane.")
    parser.add_argument("state", type=Path, metavar="STATE_DIR", help="the fleet's state folder")
    parser.add_argument(
        "--own-sockets",
        action="store_true",
        help="open listening sockets here instead of getting them from the keeper",
    )
    return parser.parse_args()


def _allow_many_connections() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _serve(places: Places, *, own_sockets: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    listening = Listening.read(places.config)
    gateway = Gateway(places, listening, opener=OwnSockets() if own_sockets else None)
    try:
        await gateway.start()
        collecting = asyncio.create_task(Collector(gateway.is_quiet).run(), name="garbage")
        await stop.wait()
        collecting.cancel()
    finally:
        await gateway.close()


if __name__ == "__main__":
    sys.exit(main())
