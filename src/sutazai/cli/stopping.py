"""Ends a whole fleet: by its keeper, by its host where the keeper is dead, and by force."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import time
from collections.abc import Callable
from contextlib import suppress

from sutazai.cli.fleets import is_running
from sutazai.cli.keeper_link import ask_keeper
from sutazai.cli.sweep import mark_of, sweep, wait_for_end
from sutazai.fleet.errors import (
    BadPeer,
    ConnectFailed,
    DeadlineExceeded,
    PeerClosed,
    SutazaiError,
    Unavailable,
)
from sutazai.fleet.places import Places
from sutazai.host.containers import clear_containers
from sutazai.host.limits import clear
from sutazai.wire import Address, Client, Timeout

STOP_WITHIN = 90.0
HOST_WITHIN = 60.0
KEEPER_EXIT_WITHIN = 5.0


def stop_fleet(places: Places, *, tick: Callable[[], None] = lambda: None) -> bool:
    """End every process of the fleet, in order where that can be had.

    Args:
        tick: called a few times a second while waiting.

    Returns whether anything was running. Raises Failed where a process cannot be ended.
    """
    asked = _by_keeper(places, tick) if is_running(places) else _by_host(places, tick)
    swept = sweep(mark_of(places), tick=tick)
    clear(places.groups)
    _remove_sockets(places)
    cleared = clear_containers(places)
    return asked or swept + cleared > 0


def _by_keeper(places: Places, tick: Callable[[], None]) -> bool:
    # A keeper that is killed meanwhile, or hangs, leaves the rest to the sweep.
    with suppress(ConnectFailed, PeerClosed, DeadlineExceeded, BadPeer, Unavailable):
        ask_keeper(places, {"op": "stop"}, deadline=STOP_WITHIN, tick=tick)
        _wait_until_unlocked(places, tick)
    return True


def _wait_until_unlocked(places: Places, tick: Callable[[], None]) -> None:
    until = time.monotonic() + KEEPER_EXIT_WITHIN
    while is_running(places) and time.monotonic() < until:
        tick()
        time.sleep(0.02)


def _by_host(places: Places, tick: Callable[[], None]) -> bool:
    """A host that outlived its keeper stops everything in order when it is asked to end."""
    pid = asyncio.run(_host_pid(places)) if places.host_socket.exists() else None
    if pid is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    wait_for_end(pid, HOST_WITHIN, tick)
    return True


async def _host_pid(places: Places) -> int | None:
    address = Address.parse(f"unix:{places.host_socket}")
    async with Client() as client:
        try:
            status = await client.call(
                "GET", address, "/status", timeout=Timeout(connect=1.0, headers=3.0, idle=3.0)
            )
        except SutazaiError:  # it hangs or is gone: the sweep ends what is left
            return None
    return int(status["pid"])


def _remove_sockets(places: Places) -> None:
    """What a killed process leaves in the runtime folder, and nobody can use any more."""
    for folder, _, names in os.walk(places.runtime):
        for name in names:
            path = os.path.join(folder, name)
            with suppress(FileNotFoundError):
                mode = os.lstat(path).st_mode
                if stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode):
                    os.unlink(path)
