"""What the socket below a transport can tell about the other side, and do to it."""

from __future__ import annotations

import asyncio
import select
import socket
import struct


def peer_name(transport: asyncio.BaseTransport) -> str:
    """``host:port`` of the other side, empty on a Unix socket."""
    name = transport.get_extra_info("peername")
    if not isinstance(name, tuple):
        return ""
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"


def is_unix(transport: asyncio.BaseTransport) -> bool:
    """Whether both sides are on this machine, and the kernel tells all about the other one."""
    return bool(_socket(transport).family == socket.AF_UNIX)


def is_gone(transport: asyncio.BaseTransport) -> bool:
    """Whether a Unix peer is closed, and not only its sending side. On TCP nobody can tell."""
    poller = select.poll()
    poller.register(_socket(transport).fileno(), 0)
    return any(event & select.POLLHUP for _, event in poller.poll(0))


def reset(transport: asyncio.Transport) -> None:
    """Close so that the other side gets an error, which only TCP can do."""
    if not transport.is_closing() and not is_unix(transport):
        linger = struct.pack("ii", 1, 0)
        _socket(transport).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()


def _socket(transport: asyncio.BaseTransport) -> socket.socket:
    found: socket.socket = transport.get_extra_info("socket")
    return found
