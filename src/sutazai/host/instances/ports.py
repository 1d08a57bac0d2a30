"""Ports for programs that are told where to listen, and who else listens there."""

from __future__ import annotations

import asyncio
import random
import socket
from itertools import cycle

from sutazai.host.machine import read_listeners

FIRST, LAST = 20_000, 31_999
"""Below those that the kernel gives to outgoing connections, which come and go at any moment."""

_ports = cycle(range(FIRST, LAST + 1))
for _ in range(random.randrange(LAST - FIRST)):  # noqa: S311 (two fleets should not begin alike)
    next(_ports)


def free_port() -> int:
    """A port of loopback that nobody listens on now.

    Each is given out once in 12,000 times, so that no two programs that start meet. One of somebody
    else's may still take it first; then the program ends, and gets another port the next time.
    """
    for _ in range(FIRST, LAST + 1):
        if is_free(port := next(_ports)):
            return port
    raise OSError(f"no port from {FIRST} to {LAST} is free")


async def holder_of(address: str | None) -> str:
    """Who listens at ``http://127.0.0.1:PORT``, in words; empty where nobody does."""
    port = (address or "").removeprefix("http://127.0.0.1:")
    if not port.isdigit() or is_free(int(port)):
        return ""
    for each in await asyncio.to_thread(read_listeners):
        if each.port == int(port):
            who = f"{each.command} (process {each.pid})" if each.pid else "another user's program"
            return f"port {port} is taken by {who}"
    return ""


def is_free(port: int) -> bool:
    """Whether a server could take that port of loopback now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
