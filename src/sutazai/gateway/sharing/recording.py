"""Writes the body of an answer onto a tape, at the pace of the tape's foremost reader."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable

from sutazai.gateway.sharing.tape import Tape
from sutazai.wire import Pushed, Sink

Body = AsyncIterator[bytes] | Pushed

Buffer = bytes | bytearray | memoryview


class Recorder:
    """Fills ``tape``, no more than ``ahead`` bytes beyond what its foremost reader has read.

    ``written`` is called for every piece.
    """

    def __init__(self, tape: Tape, ahead: int, written: Callable[[], None]) -> None:
        self._tape = tape
        self._ahead = ahead
        self._written = written
        self._moved = asyncio.Event()
        self._pushed: Pushed | None = None
        self._held = False

    async def record(self, body: Body) -> None:
        """Until the body's end, and closes it. Raises what it raises."""
        try:
            if isinstance(body, AsyncIterator):
                await self._pull(body)
            else:
                await self._be_pushed(body)
        finally:
            close = getattr(body, "aclose", None)  # iterators need not have one
            if close is not None:
                await close()

    def moved(self) -> None:
        """A reader has read, or gone."""
        self._moved.set()
        if self._held and self._pushed is not None and not self._is_ahead:
            self._held = False
            self._pushed.go_on()

    @property
    def _is_ahead(self) -> bool:
        return self._tape.lead > self._ahead

    async def _pull(self, body: AsyncIterator[bytes]) -> None:
        async for piece in body:
            while self._is_ahead:
                self._moved.clear()
                await self._moved.wait()
            self._write(piece)

    async def _be_pushed(self, body: Pushed) -> None:
        loop = asyncio.get_running_loop()
        sink = Sink(_Onto(self._push), loop, b"", chunked=False, length=None)
        self._pushed = body
        try:
            body.attach(sink)
            await sink.done
            if sink.error is not None:
                raise sink.error
        finally:
            sink.lose()
            self._pushed = None

    def _push(self, piece: bytes) -> None:
        self._write(piece)
        if self._pushed is not None and not self._held and self._is_ahead:
            self._held = True
            self._pushed.hold()

    def _write(self, piece: bytes) -> None:
        self._tape.cut_slow()
        self._tape.append(piece)
        self._written()


class _Onto(asyncio.Transport):
    """What a sink writes to in the place of a client's connection."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        super().__init__()
        self._write = write

    def write(self, data: Buffer) -> None:
        if data:
            self._write(bytes(data))

    def writelines(self, list_of_data: Iterable[Buffer]) -> None:
        self.write(b"".join(list_of_data))
