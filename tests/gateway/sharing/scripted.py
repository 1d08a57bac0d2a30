"""A computation that goes on when the test says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable
from typing import Any, Self

from sutazai.gateway.sharing.flights import Flights, Seat
from sutazai.wire import Pushed, Response, Sink

HEADERS = [("content-type", "text/plain")]

Body = bytes | AsyncIterator[bytes] | Pushed


class Scripted:
    """Answers with the pieces that the test gives it; None ends the answer.

    ``cancelled`` counts how often it was told to stop, ``closed`` how often its body was closed.
    """

    def __init__(self, *pieces: bytes | Exception | None, waiting: bool = False) -> None:
        self.waiting = waiting
        self.head: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self.script: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.ran = self.cancelled = self.closed = self.given = 0
        if pieces:
            self.begin()
        self.say(*pieces)

    def begin(self, whole: bytes | None = None) -> None:
        """Lets the head be known; with ``whole`` it is the whole answer."""
        self.head.set_result(whole)

    def fail(self, error: Exception) -> None:
        """Ends it before its head."""
        self.head.set_exception(error)

    def say(self, *pieces: bytes | Exception | None) -> None:
        for piece in pieces:
            self.script.put_nowait(piece)

    async def run(self) -> Response:
        self.ran += 1
        try:
            whole = await self.head
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return Response(200, HEADERS, ScriptedBody(self) if whole is None else whole)


class Watched(Flights[Scripted]):
    """Knows all the seats that it gave."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.seats: list[Seat[Scripted]] = []

    def join(self, key: Hashable, computation: Scripted, *, rank: int = 0) -> Seat[Scripted]:
        seat = super().join(key, computation, rank=rank)
        self.seats.append(seat)
        return seat


class ScriptedBody:
    def __init__(self, computation: Scripted) -> None:
        self._computation = computation

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            piece = await self._computation.script.get()
        except asyncio.CancelledError:
            self._computation.cancelled += 1
            raise
        if piece is None:
            raise StopAsyncIteration
        if isinstance(piece, Exception):
            raise piece
        self._computation.given += 1
        return piece

    async def aclose(self) -> None:
        self._computation.closed += 1
        await asyncio.sleep(0)  # whoever is cancelled twice is disturbed here
        self._computation.closed += 1


async def read(body: Body) -> bytes:
    """The whole of a body."""
    if isinstance(body, bytes):
        return body
    assert isinstance(body, AsyncIterator)
    return b"".join([piece async for piece in body])


async def read_some(body: Body, size: int) -> None:
    """Reads until ``size`` bytes were read."""
    assert isinstance(body, AsyncIterator)
    while size > 0:
        size -= len(await anext(body))


async def settle() -> None:
    """Lets everything happen that can happen now."""
    for _ in range(10):
        await asyncio.sleep(0)


class Pushing:
    """A computation whose body is pushed by the test. ``events`` is what its server told it."""

    waiting = False

    def __init__(self) -> None:
        self.sink: Sink | None = None
        self.events: list[str] = []

    async def run(self) -> Response:
        return Response(200, HEADERS, self)

    def attach(self, sink: Sink) -> None:
        self.sink = sink

    def hold(self) -> None:
        self.events.append("hold")

    def go_on(self) -> None:
        self.events.append("go on")

    async def aclose(self) -> None:
        self.events.append("closed")

    def write(self, *pieces: bytes) -> None:
        assert self.sink is not None
        for piece in pieces:
            self.sink.write(piece)
