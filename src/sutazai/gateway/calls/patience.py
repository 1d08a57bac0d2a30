"""Tells a client that its stream is alive while its answer waits in the queue or is prepared.

Servers and proxies cut what is silent for long, and people give up. Streams of events can carry
comments, which clients must skip; Ollama's streams of JSON lines can carry nothing, so there the
answer simply begins when it begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sutazai.wire import Pairs, Request, Sink

PATIENCE = 10.0
"""Seconds of silence after which the client is told that it waits. Until then an error still has
its own status; from then on the status is 200, and an error is told in the stream."""


class Waiting:
    """Begins the answer to ``request`` with comments where it does not come soon: a `Pushed` body.

    Args:
        headers: of the stream that begins before its answer is known.
        comment: one line on how things stand.
        patience: seconds before the first comment, and between two.
    """

    __slots__ = (
        "_comment", "_headers", "_held", "_loop", "_patience", "_request", "_sink", "_timer"
    )  # fmt: skip

    def __init__(
        self,
        request: Request,
        headers: Callable[[], Pairs],
        comment: Callable[[], str],
        patience: float,
    ) -> None:
        self._request = request
        self._headers = headers
        self._comment = comment
        self._patience = patience
        self._sink: Sink | None = None
        self._held = False
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(patience, self._begin)

    @property
    def told(self) -> bool:
        """Whether the client has its status already."""
        return self._sink is not None

    def end(self) -> None:
        """Say nothing more."""
        self._timer.cancel()

    # what the client's connection calls

    def attach(self, sink: Sink) -> None:
        self._sink = sink
        self._say_how_things_stand()

    def hold(self) -> None:
        self._held = True

    def go_on(self) -> None:
        self._held = False

    async def aclose(self) -> None:
        self.end()

    def _begin(self) -> None:
        self._request.begin(self._headers(), self)

    def _say_how_things_stand(self) -> None:
        if self._sink is not None and not self._held:
            self._sink.write(f": {self._comment()}\n\n".encode())
        self._timer = self._loop.call_later(self._patience, self._say_how_things_stand)
