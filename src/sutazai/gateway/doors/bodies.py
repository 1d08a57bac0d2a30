"""The body of an agent's answer on its way to the caller, without waiting for its end."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack, ExitStack
from typing import Self

from sutazai.fleet.errors import InstanceLost, SutazaiError, TaskStopped
from sutazai.fleet.facts import Endpoint
from sutazai.gateway.doors.stopping import Stoppable
from sutazai.wire import ClientResponse, sse_event

_EVENT_ENDS = (b"\n\n", b"\r\n\r\n")
_HELD_MAX = 1024 * 1024


def lost(endpoint: Endpoint) -> InstanceLost:
    """The instance ended in the midst of the call."""
    return InstanceLost(
        f"{endpoint.agent} ended before its answer was complete",
        hint=f"see `sutazai agents logs {endpoint.agent}`",
        agent=endpoint.agent,
        instance=endpoint.instance,
    )


class PassedBody:
    """An answer's body as it comes. Where it is cut, the caller notices: a stream of events ends
    with the event ``error``, anything else with a broken connection.

    Args:
        response: the instance's answer.
        endpoint: the instance.
        held: closed in the end.
    """

    def __init__(self, response: ClientResponse, endpoint: Endpoint, held: AsyncExitStack) -> None:
        self._response = response
        self._endpoint = endpoint
        self._held = held
        self._stoppable = Stoppable()
        self._events = response.headers.get("content-type", "").startswith("text/event-stream")
        self._rest = b""
        self._over = False
        self._failure: SutazaiError | None = None

    def serve(self, stoppable: Stoppable, held: ExitStack) -> None:
        """From now on ``stoppable`` can cut it; ``held`` is closed in the end, too."""
        self._stoppable = stoppable
        self._held.push(held)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._over:
            raise StopAsyncIteration
        try:
            return await self._stoppable.wait(self._next())
        except SutazaiError as cause:
            self._over, self._failure = True, cause
            error = cause if isinstance(cause, TaskStopped) else lost(self._endpoint)
            if not self._events:
                raise error from cause
            return sse_event(json.dumps(error.as_dict()), event="error")

    async def aclose(self) -> None:
        self._over = True
        failure = self._failure
        await self._held.__aexit__(type(failure) if failure else None, failure, None)

    async def _next(self) -> bytes:
        while piece := await self._response.next_piece():
            whole = self._whole_events(piece) if self._events else piece
            if whole:
                return whole
        self._over = True
        return self._rest

    def _whole_events(self, piece: bytes) -> bytes:
        """Events go out whole, so that an error can follow them; half of one is of no use."""
        data = self._rest + piece
        cut = max(data.rfind(end) + len(end) if end in data else 0 for end in _EVENT_ENDS)
        if not cut and len(data) > _HELD_MAX:
            cut = len(data)
        self._rest = data[cut:]
        return data[:cut]
