"""The client: requests over pooled connections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

from sutazai.fleet.errors import (
    BadPeer,
    DeadlineExceeded,
    PeerClosed,
    SutazaiError,
    Unavailable,
)
from sutazai.fleet.errors import from_dict as error_from_dict
from sutazai.wire.address import Address
from sutazai.wire.client_connection import ClientConnection, upload
from sutazai.wire.headers import Headers
from sutazai.wire.heads import ResponseHead
from sutazai.wire.inbound import Inbound
from sutazai.wire.limits import ClientLimits, Timeout
from sutazai.wire.messages import Pairs, encode_json
from sutazai.wire.outbound import Outgoing, plan_request
from sutazai.wire.pool import Pool
from sutazai.wire.writer import close_iterator

STALE_WINDOW = 1.0
"""Seconds within which a reused connection that closes is taken for one that was closed before the
request came. Later the server may have begun with the work, which must not be done twice."""

_DEFAULT_TIMEOUT = Timeout()


class ClientResponse:
    """An answer whose body is still on its way. Close it, or use it as ``async with``.

    Attributes:
        status: 200 to 599.
        headers: as sent.
    """

    __slots__ = ("_body", "_connection", "_idle", "_limit", "headers", "status")

    def __init__(
        self,
        head: ResponseHead,
        body: Inbound,
        connection: ClientConnection,
        *,
        limit: int,
        idle: float | None,
    ) -> None:
        self.status = head.status
        self.headers = Headers(head.pairs)
        self._body = body
        self._connection = connection
        self._limit = limit
        self._idle = idle

    def stream(self) -> BodyStream:
        """The body in pieces as they come; the server waits while nobody reads.

        Closing the iterator closes the response, so it can be handed on as a `Response`'s body. It
        raises PeerClosed, BadPeer or DeadlineExceeded where the body does not come whole.
        """
        return BodyStream(self)

    async def read(self) -> bytes:
        """The whole body, once. Raises as `stream` does, and BadPeer above the limit."""
        try:
            body = await self._body.collect(self._limit, self._idle)
        except TimeoutError as cause:
            raise self._stalled() from cause
        if body is None:
            self._drop()
            raise BadPeer(f"the server's answer is longer than {self._limit} bytes")
        return body

    async def json(self) -> Any:
        """The body as JSON. Raises as `read` does, and BadPeer where it is not JSON."""
        body = await self.read()
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as cause:
            raise BadPeer(f"the server's answer is not JSON: {body[:200]!r}") from cause

    async def close(self) -> None:
        """Give the rest of the body up: where there is one, the connection is dropped at once."""
        self._drop()

    async def next_piece(self) -> bytes:
        """The next bytes of the body, none at its end."""
        try:
            return await self._body.next_piece(self._idle)
        except TimeoutError as cause:
            raise self._stalled() from cause

    def _stalled(self) -> DeadlineExceeded:
        self._drop()
        return DeadlineExceeded(f"the server sent nothing for {self._idle:g} s")

    def _drop(self) -> None:
        # After the body's end the connection may serve somebody else.
        if not self._body.ended:
            self._connection.fail(PeerClosed("the response was closed"))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


class BodyStream:
    """A response's body as an async iterator.

    No generator, because one that was never started does not notice that it is closed.
    """

    __slots__ = ("_response",)

    def __init__(self, response: ClientResponse) -> None:
        self._response = response

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        piece = await self._response.next_piece()
        if not piece:
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        await self._response.close()


class Client:
    """Sends requests; keeps connections for the next one.

    Belongs to the event loop that it is first used on.
    """

    def __init__(self, limits: ClientLimits = ClientLimits()) -> None:  # noqa: B008 (frozen)
        self._limits = limits
        self._pools: dict[Address, Pool] = {}
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
    ) -> ClientResponse:
        """Send a request, and wait for the head of its response.

        An iterated ``body`` is sent while the response is awaited, and is closed in any case. A
        kept connection that turns out to be closed is replaced once, where ``body`` is bytes.

        Raises BadInput for what cannot be sent, ConnectFailed, PeerClosed, BadPeer,
        DeadlineExceeded, and what the iterator raises.
        """
        try:
            out = plan_request(method, address, target, headers, body)
            connection = await self._pool(address).acquire(timeout.connect)
        except BaseException:
            await close_iterator(body)
            raise
        if not isinstance(body, bytes):
            return await self._upload(connection, out, body, timeout)
        started = asyncio.get_running_loop().time()
        try:
            return await self._send(connection, out, body, timeout)
        except PeerClosed:
            if not _was_stale(connection, started):
                raise
        connection = await self._pool(address).acquire(timeout.connect, fresh=True)
        return await self._send(connection, out, body, timeout)

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
        """JSON in (none where ``value`` is None), JSON out (None where the answer is empty).

        Raises as `request` does, the error that the server describes, or BadPeer for any other
        status above 299.
        """
        body = b""
        if value is not None:
            body = encode_json(value)
            headers = [("content-type", "application/json"), *headers]
        if timeout.idle is None:
            timeout = Timeout(timeout.connect, timeout.headers, timeout.headers)
        response = await self.request(
            method, address, target, headers=headers, body=body, timeout=timeout
        )
        async with response:
            data = await response.read()
        if response.status >= 300:
            raise _described(response.status, data)
        return _parsed(data) if data else None

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

    def _pool(self, address: Address) -> Pool:
        pool = self._pools.get(address)
        if pool is None:
            if self._closed:
                raise Unavailable("the client is closed")
            pool = self._pools[address] = Pool(address, self._limits, self._forget)
        return pool

    def _forget(self, pool: Pool) -> None:
        if self._pools.get(pool.address) is pool:
            del self._pools[pool.address]

    async def _send(
        self, connection: ClientConnection, out: Outgoing, body: bytes, timeout: Timeout
    ) -> ClientResponse:
        connection.begin(bare=out.bare)
        connection.writer.write_all(out.head, body)
        connection.sent(timeout.headers)
        return await self._response(connection, timeout)

    async def _upload(
        self,
        connection: ClientConnection,
        out: Outgoing,
        body: AsyncIterator[bytes],
        timeout: Timeout,
    ) -> ClientResponse:
        connection.begin(bare=out.bare)
        task = asyncio.get_running_loop().create_task(
            upload(connection, out, body, timeout.headers), name="wire-upload"
        )
        self._uploads.add(task)
        task.add_done_callback(self._uploads.discard)
        connection.uploads(task)
        try:
            return await self._response(connection, timeout)
        except BaseException:
            # The iterator is closed only when nobody is in it any more, and also when the task was
            # cancelled before it came to its own closing.
            task.cancel()
            await asyncio.wait([task])
            await close_iterator(body)
            raise

    async def _response(self, connection: ClientConnection, timeout: Timeout) -> ClientResponse:
        head, body = await connection.head()
        return ClientResponse(head, body, connection, limit=self._limits.body, idle=timeout.idle)


def _was_stale(connection: ClientConnection, started: float) -> bool:
    """Whether a kept connection was closed by the server before it saw the request."""
    elapsed = asyncio.get_running_loop().time() - started
    return not connection.fresh and connection.untouched and elapsed < STALE_WINDOW


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
