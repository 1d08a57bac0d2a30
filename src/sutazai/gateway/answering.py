"""A streamed answer on its way to the client."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Self

from sutazai.fleet.errors import SutazaiError
from sutazai.gateway.dialects.neutral import Usage
from sutazai.gateway.dialects.streams import Pipe
from sutazai.gateway.stats import Outcome
from sutazai.wire import ClientResponse


class AnswerStream:
    """The body of a streamed answer; ends the call exactly once, however it ends.

    No generator, because one that was never started does not notice that it is closed.

    Args:
        response: what the backend sends.
        pipe: makes of it what the client gets.
        age: the age of the call in seconds.
        tell: the frame that tells the client of an error after the first byte.
        ended: called once with the outcome and the usage.
    """

    def __init__(
        self,
        response: ClientResponse,
        pipe: Pipe,
        *,
        age: Callable[[], float],
        tell: Callable[[SutazaiError], bytes],
        ended: Callable[[Outcome, Usage], None],
    ) -> None:
        self._response = response
        self._pipe = pipe
        self._age = age
        self._tell = tell
        self._ended = ended
        self._held = AsyncExitStack()
        self._ahead = b""
        self._drained = self._over = False

    async def begin(self) -> None:
        """Wait for the first piece. Raises what goes wrong before it, while there is a status."""
        self._ahead = await self._next()

    def hold(self, held: AsyncExitStack) -> None:
        """From now on this closes ``held`` (the slot, the backend's connection) in the end."""
        self._held = held

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._ahead:
            piece, self._ahead = self._ahead, b""
            return piece
        if self._over:
            raise StopAsyncIteration
        try:
            piece = await self._next()
        except SutazaiError as error:
            await self._end(Outcome.FAILED)
            return self._tell(error)
        if not piece:
            await self._end(Outcome.DONE)
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        """The client has it all, or is gone."""
        if not self._over:
            await self._end(Outcome.DONE if self._complete else Outcome.CANCELLED)

    @property
    def _complete(self) -> bool:
        return self._pipe.ended and self._pipe.error is None and not self._ahead

    async def _next(self) -> bytes:
        """The next piece for the client, none at the end; an error after what came before it."""
        piece = b""
        while not piece:
            if self._pipe.error is not None:
                raise self._pipe.error
            if self._drained:
                return b""
            data = await self._response.next_piece()
            if data:
                piece = self._pipe.feed(data, self._age())
            else:
                self._drained = True
                piece = self._pipe.finish(self._age())
        return piece

    async def _end(self, outcome: Outcome) -> None:
        self._over = True
        self._ended(outcome, self._pipe.usage)
        await self._held.aclose()
