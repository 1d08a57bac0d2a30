"""Tells a client that its stream is alive while its answer waits in the queue or is prepared.

Servers and proxies cut what is silent for long, and people give up. Streams of events can carry
comments, which clients must skip; Ollama's streams of JSON lines can carry nothing, so there the
answer simply begins when it begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from sutazai.fleet.errors import Failed, SutazaiError
from sutazai.wire import Pushed, Response, Sink

PATIENCE = 10.0
"""Seconds of silence after which the client is told that it waits. Until then an error still has
its own status; from then on the status is 200, and an error is told in the stream."""

Body = bytes | AsyncIterator[bytes] | Pushed


async def patiently(
    work: Coroutine[Any, Any, Response],
    headers: Callable[[], list[tuple[str, str]]],
    *,
    comment: Callable[[], str],
    tell: Callable[[SutazaiError], bytes],
    patience: float,
) -> Response:
    """What ``work`` gives, if it comes soon; else a stream that begins with comments.

    Args:
        headers: of the stream that begins before its answer is known.
        comment: one line on how things stand.
        tell: the frame that tells an error.

    Raises what ``work`` raises soon. Whoever is cancelled here has cancelled ``work``.
    """
    task = asyncio.create_task(work, name="llm-call")
    try:
        await asyncio.wait((task,), timeout=patience)
    except asyncio.CancelledError:
        await _stop(task)
        raise
    if task.done():
        return task.result()
    return Response(200, headers(), Waiting(task, comment, tell, patience))


class Waiting:
    """The body of a stream whose answer is still to come: comments, then the answer's own.

    Thousands wait at once, so there is no task for each, only a timer.
    """

    __slots__ = (
        "_answer", "_comment", "_held", "_loop", "_patience", "_pump", "_sink", "_task", "_tell",
        "_timer",
    )  # fmt: skip

    _sink: Sink

    def __init__(
        self,
        task: asyncio.Task[Response],
        comment: Callable[[], str],
        tell: Callable[[SutazaiError], bytes],
        patience: float,
    ) -> None:
        self._task = task
        self._comment = comment
        self._tell = tell
        self._patience = patience
        self._loop = task.get_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._held = False
        self._answer: Pushed | None = None
        self._pump: Pump | None = None

    def attach(self, sink: Sink) -> None:
        self._sink = sink
        self._say_how_things_stand()
        self._task.add_done_callback(self._begin)

    def hold(self) -> None:
        self._held = True
        if self._answer is not None:
            self._answer.hold()

    def go_on(self) -> None:
        self._held = False
        if self._answer is not None:
            self._answer.go_on()

    async def aclose(self) -> None:
        self._task.remove_done_callback(self._begin)
        self._be_silent()
        if self._pump is not None:
            await self._pump.aclose()
        await _stop(self._task)

    def _say_how_things_stand(self) -> None:
        if not self._held:
            self._sink.write(f": {self._comment()}\n\n".encode())
        self._timer = self._loop.call_later(self._patience, self._say_how_things_stand)

    def _be_silent(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _begin(self, task: asyncio.Task[Response]) -> None:
        """The answer is there, or what went wrong. Closing the sink comes last: it runs whoever
        closes this body."""
        self._be_silent()
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None:
            self._pass_on(task.result().body)
        elif isinstance(error, SutazaiError):
            self._sink.close(self._tell(error))
        else:  # told to the connection, which logs and cuts it
            self._sink.fail(error if isinstance(error, Exception) else Failed("it was cancelled"))

    def _pass_on(self, body: Body) -> None:
        if isinstance(body, bytes):
            self._sink.close(body)
            return
        if isinstance(body, AsyncIterator):
            body = self._pump = Pump(body)
        self._answer = body
        body.attach(self._sink)
        if self._held:
            body.hold()


class Pump:
    """Pushes an iterated body."""

    def __init__(self, body: AsyncIterator[bytes]) -> None:
        self._body = body
        self._going = asyncio.Event()
        self._going.set()
        self._pumping: asyncio.Task[None] | None = None

    def attach(self, sink: Sink) -> None:
        self._pumping = asyncio.create_task(self._push(sink), name="llm-call-pump")

    def hold(self) -> None:
        self._going.clear()

    def go_on(self) -> None:
        self._going.set()

    async def aclose(self) -> None:
        """Ends the pumping; the body is still its owner's to close."""
        if self._pumping is not None:
            self._pumping.cancel()
            await asyncio.wait((self._pumping,))

    async def _push(self, sink: Sink) -> None:
        try:
            async for piece in self._body:
                await self._going.wait()
                sink.write(piece)
        except Exception as error:  # noqa: BLE001 (told to the connection, which cuts it)
            sink.fail(error)
        else:
            sink.close()


async def _stop(task: asyncio.Task[Response]) -> None:
    """Cancels the work, or closes the answer that it has given."""
    task.cancel()
    await asyncio.wait((task,))
    if not task.cancelled() and task.exception() is None:
        close = getattr(task.result().body, "aclose", None)
        if close is not None:
            await close()
