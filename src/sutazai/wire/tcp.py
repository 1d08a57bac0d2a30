"""What every TCP connection of this room is set to."""

from __future__ import annotations

import socket

_OPTIONS = (
    # Small writes go out at once. The event loop sets this only on sockets that were made with an
    # explicit protocol number, which listening sockets usually were not.
    (socket.IPPROTO_TCP, "TCP_NODELAY", 1),
    # What the peer does not take is ours to hold, or to stop making; kernels hold megabytes.
    (socket.IPPROTO_TCP, "TCP_NOTSENT_LOWAT", 128 * 1024),
    # The kernel ends a connection whose peer has answered nothing for a minute, as a machine that
    # lost its power does; else a handler would work, or a caller wait, for nobody.
    (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 30),
    (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 10),
    (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3),
)


def tune(sock: socket.socket) -> None:
    """Set the options of a TCP socket; what a listening one accepts inherits them."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    for level, name, value in _OPTIONS:
        if hasattr(socket, name):  # not every system has all of them
            sock.setsockopt(level, getattr(socket, name), value)
