"""Every bound that this room keeps, in one place. Sizes are bytes, times seconds."""

from __future__ import annotations

from dataclasses import dataclass

HIGH_WATER = 64 * 1024
"""Bytes of a body kept for a slow reader before the peer is made to wait."""

LINGER = 2.0
"""Seconds that a client has to close after its last response, while what it sends is dropped."""

SOCKET_PATH_MAX = 103
"""Bytes of the path of a Unix socket; one more ends it, and systems differ from 104 to 108."""


@dataclass(frozen=True)
class ServerLimits:
    """What a server allows a client.

    Args:
        header: size of a request's head.
        body: size of a body that `Request.read` collects; streamed bodies have no bound.
        connections: open connections at once; more are answered with 503.
        header_timeout: from the first byte of a head (or from connecting) to its end.
        body_timeout: without progress of a body, in either direction.
        idle_timeout: between two requests on one connection.
        half_closed: what a request may still take after its client shut its sending side. That is
            what one that is gone looks like, or one that abandons its request, and work for those
            must stop. (One that is gone from a Unix socket is told apart, and stopped at once.)
    """

    header: int = 32 * 1024
    body: int = 32 * 1024 * 1024
    connections: int = 8192
    header_timeout: float = 10.0
    body_timeout: float = 60.0
    idle_timeout: float = 75.0
    half_closed: float = 0.25


@dataclass(frozen=True)
class ClientLimits:
    """What a client allows servers, and itself.

    Args:
        header: size of a response's head.
        body: size of a body that `ClientResponse.read` collects; streamed ones have no bound.
        connections: to one address at once; further requests wait, at most ``Timeout.connect``.
        idle_connections: kept open for one address.
        idle_timeout: that an unused connection is kept; below the server's, or it is often stale.
    """

    header: int = 64 * 1024
    body: int = 64 * 1024 * 1024
    connections: int = 1024
    idle_connections: int = 64
    idle_timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class Timeout:
    """Bounds of one request in seconds; None is no bound.

    Args:
        connect: until there is a connection.
        headers: from the sent request to the response's head, and without progress of an upload.
        idle: between two pieces of the response's body. `Client.call`, which collects the whole of
            it, takes ``headers`` where this is None.
    """

    connect: float | None = 5.0
    headers: float | None = 30.0
    idle: float | None = None
