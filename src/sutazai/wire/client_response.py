"""Answers as the client's users get them."""

from __future__ import annotations

import json
from types import TracebackType
from typing import Any, Self

from sutazai.fleet.errors import BadPeer, PeerClosed
from sutazai.wire.client_connection import ClientConnection, Pending
from sutazai.wire.headers import Headers
from sutazai.wire.inbound import Body, Receiver
from sutazai.wire.opaque import Opaque


class ClientResponse(Opaque):
    """An answer whose body is still on its way. Close it, or use it as ``async with``.

    Its body is had in one of four ways: `read`, `json`, `stream`, `deliver`.

    Attributes:
        status: 200 to 599.
        headers: as sent.
    """

    status: int
    headers: Headers
    _body: Body
    _connection: ClientConnection
    _limit: int

    def stream(self) -> BodyStream:
        """The body in pieces as they come; the server waits while nobody reads.

        Closing the iterator closes the response, so it can be handed on as a `Response`'s body. It
        raises PeerClosed, BadPeer or DeadlineExceeded where the body does not come whole.
        """
        return BodyStream(self)

    def at_hand(self) -> bytes | None:
        """The whole body, once, where it came with the head; else None, and `read` has it."""
        return self._body.at_hand(self._limit)

    async def read(self) -> bytes:
        """The whole body, once. Raises as `stream` does, and BadPeer above the limit."""
        data = self.at_hand()
        if data is None:
            data = await self._body.collect(self._limit)
        if data is None:
            self.drop()
            raise BadPeer(f"the server's answer is longer than {self._limit} bytes")
        return data

    async def json(self) -> Any:
        """The body as JSON. Raises as `read` does, and BadPeer where it is not JSON."""
        body = await self.read()
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as cause:
            raise BadPeer(f"the server's answer is not JSON: {body[:200]!r}") from cause

    async def next_piece(self) -> bytes:
        """The next bytes of the body, none at its end."""
        return await self._body.next_piece()

    def deliver(self, receiver: Receiver) -> None:
        """Tell ``receiver`` of the body as it comes, in the call that reads it from the socket.

        What is here already is told before this returns. After pieces were taken by `next_piece`
        the rest can be delivered. See `Receiver` for what it may do, and `hold`.
        """
        self._body.deliver(receiver)

    def hold(self) -> None:
        """Tell the receiver nothing more until `go_on`; the server waits meanwhile."""
        self._body.hold()

    def go_on(self) -> None:
        """The receiver can take more."""
        self._body.go_on()

    def bear(self, idle: float | None) -> None:
        """From now on the server may be silent for ``idle`` seconds in the midst of the body."""
        if not self._body.ended:
            self._connection.idle = idle

    async def close(self) -> None:
        """Give the rest of the body up: where there is one, the connection is dropped at once."""
        self.drop()

    async def abandon(self, grace: float) -> None:
        """Give the rest of the body up, and wait until the server has stopped working for it.

        The sending side of the connection is shut, which servers take for a client that left, and
        what still comes is dropped. Returns when the server has closed its side or has sent the
        body to its end, or after ``grace`` seconds, when the connection is dropped. Over TLS, which
        cannot be shut on one side, that is done at once.
        """
        if not self._body.ended:
            await self._connection.abandon(grace)

    def drop(self) -> None:
        """As `close`."""
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


def response_of(pending: Pending, limit: int) -> ClientResponse:
    """The response that ``pending`` was rung for, and not for an error."""
    return ClientResponse(pending.status, pending.headers, pending.body, pending.connection, limit)


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
