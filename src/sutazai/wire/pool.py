"""Connections to one address, kept for the next request."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from sutazai.fleet.errors import BadPeer, ConnectFailed, PeerClosed
from sutazai.wire.address import Address
from sutazai.wire.client_connection import ClientConnection
from sutazai.wire.dialing import Dialer
from sutazai.wire.limits import ClientLimits
from sutazai.wire.outbox import Outbox
from sutazai.wire.resting import Rests
from sutazai.wire.timer import LazyTimer

CONNECT_GRACE = 1.0
"""Seconds that an opening has to come to an end after nobody wants it any more."""


class Pool:
    """Hands out connections to ``address``, the last used first, and takes them back.

    Attributes:
        loop: the event loop it belongs to; ``time`` is that one's.
        route: what requests to ``address`` begin with.

    Args:
        dialer: opens them.
        rests: of those whose bodies come fast.
        outbox: where requests wait for others.
        on_empty: called with the pool when it has had no connection for the time that unused
            ones are kept, or at once where it is closed. Until then whoever has it may ask it for
            another one.
    """

    __slots__ = (
        "_closed", "_connections", "_dialer", "_idle", "_none_left", "_on_empty", "_opening",
        "_openings", "_outbox", "_rests", "_timer", "_waiters", "address", "limits", "loop",
        "route", "time",
    )  # fmt: skip

    def __init__(
        self,
        address: Address,
        limits: ClientLimits,
        dialer: Dialer,
        rests: Rests,
        outbox: Outbox,
        on_empty: Callable[[Pool], None],
    ) -> None:
        self.address = address
        self.route = dialer.route(address)
        self._dialer = dialer
        self._rests = rests
        self._outbox = outbox
        self.limits = limits
        self._on_empty = on_empty
        self._connections: set[ClientConnection] = set()
        self._none_left = asyncio.Event()
        self._none_left.set()
        self._closed = False
        self._opening = 0
        self._openings: set[asyncio.Task[None]] = set()
        self._idle: list[ClientConnection] = []
        # Who waits is given a connection, or None: the leave to open one.
        self._waiters: deque[asyncio.Future[ClientConnection | None]] = deque()
        self.loop = loop = asyncio.get_running_loop()
        self.time = loop.time
        self._timer = LazyTimer(loop, self._expire)

    async def acquire(self, timeout: float | None, *, fresh: bool = False) -> ClientConnection:
        """A connection to send one request on; ``fresh``: one that nobody used.

        Raises ConnectFailed, also after ``timeout`` seconds.
        """
        if not fresh and (connection := self.take_idle()) is not None:
            return connection
        try:
            async with asyncio.timeout(timeout):
                return await self._wait_or_open(fresh)
        except TimeoutError as cause:
            raise ConnectFailed(f"no connection to {self.address} within {timeout:g} s") from cause

    def take_idle(self) -> ClientConnection | None:
        """A connection that is open and free, if there is one."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable():
                return connection
        return None

    async def close(self) -> None:
        """Close every connection, and wait until they are closed; requests fail with PeerClosed."""
        self._closed = True
        self._timer.close()
        while (waiter := self._next_waiter()) is not None:
            waiter.set_exception(PeerClosed("the client is closed"))
        for connection in list(self._connections):
            connection.drop()
        await asyncio.gather(*self._openings, return_exceptions=True)
        await self._none_left.wait()

    def drop_idle(self) -> None:
        """Close what nobody uses: new connections are to be others."""
        for connection in list(self._idle):
            connection.drop()
        self._idle.clear()

    # what connections call

    def opened(self, connection: ClientConnection) -> None:
        self._connections.add(connection)
        self._none_left.clear()
        if self._closed:
            connection.drop()

    def release(self, connection: ClientConnection) -> None:
        if self._waiters and (waiter := self._next_waiter()) is not None:
            waiter.set_result(connection)
        elif len(self._idle) < self.limits.idle_connections:
            connection.idle_since = self.time()
            self._idle.append(connection)
            if self._timer.deadline is None:
                self._timer.set(self.limits.idle_timeout)
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

    async def _wait_or_open(self, fresh: bool) -> ClientConnection:
        while True:
            connection = await self._leave(fresh)
            if connection is None:
                return await self._open()
            if connection.is_usable():
                return connection

    async def _leave(self, fresh: bool) -> ClientConnection | None:
        """Wait for a place, which is then taken; or get a connection that has become free."""
        if len(self._connections) + self._opening < self.limits.connections:
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
        waiter = self.loop.create_future()
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
        if taken < self.limits.connections and (waiter := self._next_waiter()) is not None:
            self._opening += 1
            waiter.set_result(None)
        elif taken == 0 and not self._openings:
            self._emptied()

    def _emptied(self) -> None:
        if self._closed:
            self._on_empty(self)
        else:
            self._timer.set(self.limits.idle_timeout)

    # opening and expiring

    async def _open(self) -> ClientConnection:
        """A new connection on the place that was taken for it."""
        connection = ClientConnection(
            self, self.limits.header, self._rests, self._outbox, self.loop
        )
        # In a task of its own, because uvloop leaks the socket of an opening that is cancelled.
        dialing = self._dialer.dial(self.address, connection)
        opening = self.loop.create_task(dialing, name="wire-connect")
        self._openings.add(opening)
        opening.add_done_callback(self._opened)
        try:
            await asyncio.shield(opening)
        except BaseException:  # its place is free again, also where it is cancelled
            self._opening -= 1
            opening.add_done_callback(lambda opened: self._give_up(connection, opened))
            self.loop.call_later(CONNECT_GRACE, opening.cancel)
            raise
        self._opening -= 1
        if connection.is_usable():
            return connection
        if not connection.untouched:
            raise BadPeer(f"{self.address} speaks before it is asked: it is no HTTP server")
        raise ConnectFailed(f"{self.address} closed the connection at once")

    def _opened(self, opening: asyncio.Task[None]) -> None:
        self._openings.discard(opening)
        self._offer_place()

    def _give_up(self, connection: ClientConnection, opened: asyncio.Task[None]) -> None:
        """Nobody wants ``connection`` any more, whatever came of its opening."""
        if opened.cancelled() or opened.exception() is not None:
            self.lost(connection)
        else:
            connection.drop()  # and is lost when it has closed

    def _expire(self) -> None:
        if not (self._connections or self._opening or self._openings):
            self._on_empty(self)
            return
        now = self.time()
        oldest = now - self.limits.idle_timeout
        kept = []
        for connection in self._idle:
            if connection.idle_since <= oldest:
                connection.drop()
            else:
                kept.append(connection)
        self._idle = kept
        if kept:
            self._timer.set(min(c.idle_since for c in kept) - oldest)
