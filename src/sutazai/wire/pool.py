"""Connections to one address, kept for the next request."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from sutazai.fleet.errors import ConnectFailed, PeerClosed
from sutazai.wire.address import Address
from sutazai.wire.client_connection import ClientConnection
from sutazai.wire.limits import ClientLimits
from sutazai.wire.timer import LazyTimer

if TYPE_CHECKING:
    from ssl import SSLContext


class Pool:
    """Hands out connections to ``address``, the last used first, and takes them back.

    Args:
        on_empty: called with the pool when it has no connection any more and nobody waits.
    """

    __slots__ = (
        "_closed", "_connections", "_idle", "_limits", "_none_left", "_on_empty", "_opening",
        "_timer", "_waiters", "address",
    )  # fmt: skip

    def __init__(
        self, address: Address, limits: ClientLimits, on_empty: Callable[[Pool], None]
    ) -> None:
        self.address = address
        self._limits = limits
        self._on_empty = on_empty
        self._connections: set[ClientConnection] = set()
        self._none_left = asyncio.Event()
        self._none_left.set()
        self._closed = False
        self._opening = 0
        self._idle: list[ClientConnection] = []
        # Who waits is given a connection, or None: the leave to open one.
        self._waiters: deque[asyncio.Future[ClientConnection | None]] = deque()
        self._timer = LazyTimer(asyncio.get_running_loop(), self._expire)

    async def acquire(self, timeout: float | None, *, fresh: bool = False) -> ClientConnection:
        """A connection to send one request on; ``fresh``: one that nobody used.

        Raises ConnectFailed, also after ``timeout`` seconds.
        """
        if not fresh and (connection := self._take_idle()) is not None:
            return connection
        try:
            async with asyncio.timeout(timeout):
                return await self._wait_or_open(fresh)
        except TimeoutError as cause:
            raise ConnectFailed(f"no connection to {self.address} within {timeout:g} s") from cause

    async def close(self) -> None:
        """Close every connection, and wait until they are closed; requests fail with PeerClosed."""
        self._closed = True
        self._timer.cancel()
        while (waiter := self._next_waiter()) is not None:
            waiter.set_exception(PeerClosed("the client is closed"))
        for connection in list(self._connections):
            connection.drop()
        await self._none_left.wait()

    # what connections call

    def opened(self, connection: ClientConnection) -> None:
        self._connections.add(connection)
        self._none_left.clear()
        if self._closed:
            connection.drop()

    def release(self, connection: ClientConnection) -> None:
        if (waiter := self._next_waiter()) is not None:
            waiter.set_result(connection)
        elif len(self._idle) < self._limits.idle_connections:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)
            if len(self._idle) == 1:
                self._timer.set(self._limits.idle_timeout)
        else:
            connection.drop()

    def lost(self, connection: ClientConnection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._none_left.set()
        if connection in self._idle:
            self._idle.remove(connection)
        self._offer_place()

    # places and waiting

    def _take_idle(self) -> ClientConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
        return None

    async def _wait_or_open(self, fresh: bool) -> ClientConnection:
        while True:
            connection = await self._leave(fresh)
            if connection is None:
                return await self._open()
            if connection.usable:
                return connection

    async def _leave(self, fresh: bool) -> ClientConnection | None:
        """Wait for a place, which is then taken; or get a connection that has become free."""
        if len(self._connections) + self._opening < self._limits.connections:
            self._opening += 1
            return None
        connection = await self._wait()
        if connection is None or not fresh:
            return connection
        # Its place is what was wanted: it makes room for a new one.
        self._opening += 1
        connection.drop()
        return None

    async def _wait(self) -> ClientConnection | None:
        waiter: asyncio.Future[ClientConnection | None]
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            self._give_back(waiter)
            raise

    def _give_back(self, waiter: asyncio.Future[ClientConnection | None]) -> None:
        """Pass on what a waiter that went away was given in the same turn."""
        if waiter.cancelled() or waiter.exception() is not None:
            return
        connection = waiter.result()
        if connection is None:
            self._opening -= 1
            self._offer_place()
        else:
            self.release(connection)

    def _next_waiter(self) -> asyncio.Future[ClientConnection | None] | None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                return waiter
        return None

    def _offer_place(self) -> None:
        taken = len(self._connections) + self._opening
        if taken < self._limits.connections and (waiter := self._next_waiter()) is not None:
            self._opening += 1
            waiter.set_result(None)
        elif taken == 0:
            self._timer.cancel()
            self._on_empty(self)

    # opening and expiring

    async def _open(self) -> ClientConnection:
        """A new connection on the place that was taken for it."""
        connection = ClientConnection(self, self._limits.header)
        try:
            await self._connect(connection)
        except BaseException:
            # Said here, because uvloop does not report the end of a connection whose opening was
            # cancelled after `connection_made`.
            self._opening -= 1
            self.lost(connection)
            raise
        self._opening -= 1
        if not connection.usable:
            raise ConnectFailed(f"{self.address} closed the connection at once")
        return connection

    async def _connect(self, connection: ClientConnection) -> None:
        loop, address = asyncio.get_running_loop(), self.address
        try:
            if address.scheme == "unix":
                await loop.create_unix_connection(lambda: connection, address.socket)
                return
            tls = _tls_context() if address.scheme == "https" else None
            await loop.create_connection(lambda: connection, address.host, address.port, ssl=tls)
        except OSError as cause:
            raise ConnectFailed(
                f"no connection to {address}: {cause.strerror or cause}",
                hint="is the server running there?",
            ) from cause

    def _expire(self) -> None:
        now = asyncio.get_running_loop().time()
        oldest = now - self._limits.idle_timeout
        kept = []
        for connection in self._idle:
            if connection.idle_since <= oldest:
                connection.drop()
            else:
                kept.append(connection)
        self._idle = kept
        if kept:
            self._timer.set(min(c.idle_since for c in kept) - oldest)


@lru_cache(maxsize=1)
def _tls_context() -> SSLContext:
    # Imported here because few processes speak TLS, and the certificates take a megabyte.
    from ssl import create_default_context

    context = create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
