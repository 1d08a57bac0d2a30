"""The client: requests over pooled connections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from sutazai.fleet.errors import BadPeer, PeerClosed, SutazaiError, Unavailable
from sutazai.fleet.errors import from_dict as error_from_dict
from sutazai.wire.address import Address
from sutazai.wire.client_connection import ClientConnection, Pending, upload
from sutazai.wire.client_response import ClientResponse, response_of
from sutazai.wire.dialing import Dialer, TlsOptions
from sutazai.wire.inbound import EMPTY
from sutazai.wire.limits import ClientLimits, Timeout
from sutazai.wire.messages import Pairs, encode_json
from sutazai.wire.opaque import Opaque
from sutazai.wire.outbound import plan_upload, request_head
from sutazai.wire.outbox import Outbox
from sutazai.wire.pool import Pool
from sutazai.wire.proxies import Proxies
from sutazai.wire.resting import Rests
from sutazai.wire.writer import close_body

STALE_WINDOW = 1.0
"""Seconds within which a reused connection that closes is taken for one that was closed before the
request came. Later the server may have begun with the work, which must not be done twice."""

REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
"""Methods that may reach a server twice. Others are sent again by TCP only, where servers of others
close connections as they like; ours, behind Unix sockets, close none but those they die with. For a
server of others behind a Unix socket there is ``repeatable``."""

_DEFAULT_TIMEOUT = Timeout()


class Sent(Opaque):
    """A request that is sent, or will be on a new connection, and whose answer has not begun.

    Whoever has one ends it: by waiting for its `response`, which then takes its place, or else by
    `drop` or `abandon`.
    """

    _pool: Pool
    _method: str
    _head: bytes
    _data: bytes
    _timeout: Timeout
    _repeatable: bool
    _pending: Pending | None = None  # once it is sent
    _started: float = 0.0

    def send(self, connection: ClientConnection) -> Pending:
        """Send it on ``connection``."""
        pool = self._pool
        self._started = pool.time()
        self._pending = pending = Pending(pool.loop, connection=connection, body=EMPTY)
        connection.ask(pending, self._method, self._head, self._data, self._timeout)
        return pending

    async def response(self) -> ClientResponse:
        """Wait for the head of the answer. Who is cancelled meanwhile still has the request.

        A kept connection that turns out to be closed is replaced once. Raises PeerClosed, BadPeer,
        DeadlineExceeded, ConnectFailed.
        """
        pending = self._pending
        if pending is None:
            pending = self.send(await self._pool.acquire(self._timeout.connect))
        await pending
        if pending.error is not None:
            pending = await self._again(pending, pending.error)
        return response_of(pending, self._pool.limits.body)

    def drop(self) -> None:
        """Nobody wants the answer: see `ClientResponse.drop`."""
        if self._pending is not None:
            self._pending.drop()

    async def abandon(self, grace: float) -> None:
        """Nobody wants the answer; wait until the server has stopped working for it.

        As `ClientResponse.abandon`.
        """
        pending = self._pending
        if pending is not None and pending.unanswered:
            await pending.connection.abandon(grace)

    async def _again(self, pending: Pending, error: Exception) -> Pending:
        """Ask once more, where the server cannot have seen the request; else raise ``error``."""
        last, pool = pending.connection, self._pool
        soon = pool.time() - self._started < STALE_WINDOW
        stale = isinstance(error, PeerClosed) and not last.fresh and last.untouched
        repeatable = self._repeatable or self._method in REPEATABLE or pool.address.scheme != "unix"
        if not (stale and soon and repeatable):
            raise error
        pending = self.send(await pool.acquire(self._timeout.connect, fresh=True))
        await pending.outcome()
        return pending


class Client:
    """Sends requests; keeps connections for the next one.

    Belongs to the event loop that it is first used on.

    Args:
        limits: what servers may do.
        tls: how servers are known; `trust` makes exceptions.
        proxies: on the way to other machines, as ``Proxies.from_environment()``; None to go
            straight.

    Raises BadInput where ``tls`` cannot be used.
    """

    def __init__(
        self,
        limits: ClientLimits = ClientLimits(),  # noqa: B008 (frozen)
        *,
        tls: TlsOptions = TlsOptions(),  # noqa: B008 (frozen)
        proxies: Proxies | None = None,
    ) -> None:
        self._limits = limits
        self._dialer = Dialer(tls, proxies)
        self._rests = Rests()
        self._outbox = Outbox()
        self._pools: dict[str, Pool] = {}  # by the addresses' texts, hashed in no time
        self._uploads: set[asyncio.Task[None]] = set()
        self._closed = False

    async def request(
        self,
        method: str,
        address: Address,
        target: str,
        *,
        headers: Pairs = (),
        body: bytes | AsyncIterator[bytes] = b"",
        timeout: Timeout = _DEFAULT_TIMEOUT,
        repeatable: bool = False,
    ) -> ClientResponse:
        """Send a request, and wait for the head of its response.

        An iterated ``body`` is sent while the response is awaited, and is closed in any case. A
        kept connection that turns out to be closed is replaced once, where ``body`` is bytes and
        the request may be repeated: see `REPEATABLE`, or ``repeatable`` says so.

        Raises BadInput for what cannot be sent, ConnectFailed, PeerClosed, BadPeer,
        DeadlineExceeded, and what the iterator raises.
        """
        if not isinstance(body, bytes):
            return await self._upload(method, address, target, headers, body, timeout)
        sent = self.send(method, address, target, headers, body, timeout, repeatable)
        try:
            return await sent.response()
        except BaseException:  # the request is given up, also where it is cancelled
            sent.drop()
            raise

    def send(
        self,
        method: str,
        address: Address,
        target: str,
        headers: Pairs = (),
        body: bytes = b"",
        timeout: Timeout = _DEFAULT_TIMEOUT,
        repeatable: bool = False,
    ) -> Sent:
        """Send a request, and do not wait for its response: see `Sent`.

        Where no connection is free, it is sent by whoever waits for the response. For who may lose
        interest before the answer begins and then has to know when the server has stopped.
        ``repeatable`` says that it may reach the server twice, whatever its method and address.
        Raises BadInput for what cannot be sent.
        """
        pool = self._pools.get(address.text) or self._new_pool(address)
        head = request_head(method, pool.route, target, headers, body)
        # A class that is called with keywords takes twice as long.
        sent = Sent(pool, method, head, body, timeout, repeatable)
        connection = pool.take_idle()
        if connection is not None:
            sent.send(connection)
        return sent

    async def call(
        self,
        method: str,
        address: Address,
        target: str,
        value: Any = None,
        *,
        headers: Pairs = (),
        timeout: Timeout = _DEFAULT_TIMEOUT,
    ) -> Any:
        """JSON in (none where ``value`` is None), JSON out (None where the answer is empty). Raises
        as `exchange`, and BadPeer where the answer is not JSON."""
        body = b"" if value is None else encode_json(value)
        data = await self.exchange(method, address, target, body, headers=headers, timeout=timeout)
        return _parsed(data) if data else None

    async def exchange(
        self,
        method: str,
        address: Address,
        target: str,
        body: bytes = b"",
        *,
        headers: Pairs = (),
        timeout: Timeout = _DEFAULT_TIMEOUT,
    ) -> bytes:
        """``body`` in JSON in, where there is one, and the body of the answer out.

        Raises as `request` does, the error that the server describes, or BadPeer for any other
        status above 299.
        """
        if body:
            headers = (("content-type", "application/json"), *headers)
        if timeout.idle is None:
            timeout = Timeout(timeout.connect, timeout.headers, timeout.headers)
        response = await self.request(
            method, address, target, headers=headers, body=body, timeout=timeout
        )
        async with response:
            data = await response.read()
        if response.status >= 300:
            raise _described(response.status, data)
        return data

    def trust(self, address: Address, options: TlsOptions) -> None:
        """From now on know ``address`` by ``options``; connections in use go on as they are.

        Raises BadInput where the options cannot be used.
        """
        self._dialer.trust(address, options)
        if (pool := self._pools.get(address.text)) is not None:
            pool.drop_idle()

    @contextmanager
    def hurried(self) -> Iterator[None]:
        """While it is entered, requests are sent at once and not together, and bodies that come
        fast are read at once and not in bursts."""
        with self._rests.none(), self._outbox.none():
            yield

    async def close(self) -> None:
        """Close every connection; requests that are under way fail, new ones are refused."""
        self._closed = True
        for pool in list(self._pools.values()):
            await pool.close()
        uploads = list(self._uploads)
        for task in uploads:
            task.cancel()
        await asyncio.gather(*uploads, return_exceptions=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def _new_pool(self, address: Address) -> Pool:
        if self._closed:
            raise Unavailable("the client is closed")
        pool = self._pools[address.text] = Pool(
            address, self._limits, self._dialer, self._rests, self._outbox, self._forget
        )
        return pool

    def _forget(self, pool: Pool) -> None:
        text = pool.address.text
        if self._pools.get(text) is pool:
            del self._pools[text]

    async def _upload(
        self,
        method: str,
        address: Address,
        target: str,
        headers: Pairs,
        body: AsyncIterator[bytes],
        timeout: Timeout,
    ) -> ClientResponse:
        try:
            pool = self._pools.get(address.text) or self._new_pool(address)
            out = plan_upload(method, pool.route, target, headers, body)
            connection = await pool.acquire(timeout.connect)
        except BaseException:  # the body is closed, whatever came
            await close_body(body)
            raise
        pending = Pending(pool.loop, connection=connection, body=EMPTY)
        connection.ask(pending, method, out.head, b"", timeout)
        task = asyncio.get_running_loop().create_task(
            upload(connection, out, body, timeout.headers), name="wire-upload"
        )
        self._uploads.add(task)
        task.add_done_callback(self._uploads.discard)
        connection.uploads(task)
        try:
            await pending.outcome()
        except BaseException:  # the request is given up, also where it is cancelled
            pending.drop()
            # The iterator is closed only when nobody is in it any more, and also when the task was
            # cancelled before it came to its own closing.
            task.cancel()
            await asyncio.wait([task])
            await close_body(body)
            raise
        return response_of(pending, self._limits.body)


def _described(status: int, data: bytes) -> SutazaiError:
    """The error that an answer in JSON describes, or BadPeer where it describes none."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict) and isinstance(value.get("error"), dict):
        return error_from_dict(value["error"])
    return BadPeer(f"the server answered {status}: {data[:200]!r}", status=status)


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as cause:
        raise BadPeer(f"the server's answer is not JSON: {data[:200]!r}") from cause
