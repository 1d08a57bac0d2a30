"""Tells a client that its stream is alive while its answer waits in the queue or is prepared.

Servers and proxies cut what is silent for long, and people give up. Streams of events can carry
comments, which clients must skip; Ollama's streams of JSON lines can carry nothing, so there the
answer simply begins when it begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from sutazai.fleet.errors import SutazaiError
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
    """The body of a stream whose answer is still to come: comments, then the answer's own."""

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
        self._going = asyncio.Event()
        self._going.set()
        self._answer: Pushed | None = None
        self._speaking: asyncio.Task[None] | None = None

    def attach(self, sink: Sink) -> None:
        self._speaking = asyncio.create_task(self._speak(sink), name="llm-call-waits")

    def hold(self) -> None:
        self._going.clear()
        if self._answer is not None:
            self._answer.hold()

    def go_on(self) -> None:
        self._going.set()
        if self._answer is not None:
            self._answer.go_on()

    async def aclose(self) -> None:
        if self._speaking is not None:
            self._speaking.cancel()
            await asyncio.wait((self._speaking,))
        await _stop(self._task)

    async def _speak(self, sink: Sink) -> None:
        try:
            await self._wait(sink)
            await self._pass_on(self._task.result().body, sink)
        except SutazaiError as error:
            sink.close(self._tell(error))
        except Exception as error:  # noqa: BLE001 (told to the connection, which logs and cuts it)
            sink.fail(error)

    async def _wait(self, sink: Sink) -> None:
        while not self._task.done():
            sink.write(f": {self._comment()}\n\n".encode())
            await asyncio.wait((self._task,), timeout=self._patience)

    async def _pass_on(self, body: Body, sink: Sink) -> None:
        if isinstance(body, bytes):
            sink.close(body)
        elif isinstance(body, AsyncIterator):
            await self._pump(body, sink)
        else:
            self._answer = body
            body.attach(sink)
            if not self._going.is_set():
                body.hold()

    async def _pump(self, body: AsyncIterator[bytes], sink: Sink) -> None:
        try:
            async for piece in body:
                await self._going.wait()
                sink.write(piece)
        except SutazaiError as error:
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
