"""Messages that leave together."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # to annotate with
    from sutazai.wire.writer import Writer

TOGETHER_MAX: Final = 32
"""Messages that leave together: the first of them waits until the last is made."""


class Outbox:
    """Where messages wait for others that are made in the same round of the event loop.

    Whoever sleeps is woken by what is sent to it, and on a busy machine takes the processor away
    from us, who have more to send. A process with many connections is woken once by what leaves
    together, and finds all of it.
    """

    __slots__ = ("_now", "_unwanted", "_writers")

    def __init__(self) -> None:
        self._writers: list[Writer] = []
        self._unwanted = 0
        self._now = 0.0  # the loop's time when something was sent at once

    @contextmanager
    def none(self) -> Iterator[None]:
        """Nothing waits meanwhile."""
        self._unwanted += 1
        self._flush()
        try:
            yield
        finally:
            self._unwanted -= 1

    def post(self, writer: Writer, message: bytes, loop: AbstractEventLoop) -> None:
        """Have ``writer`` send ``message`` when this round of ``loop`` ends, or at once where it is
        the round's first: most are alone.

        Whoever then writes something else there, or ends the connection in order, flushes first.
        Rounds are known by the clock of uvloop, which stands still within one; that of other loops
        does not, so with them everything goes at once.
        """
        now = loop.time()
        if now == self._now and not self._unwanted:
            writer.posted = message
            self._add(writer, loop)
        else:
            self._now = now
            writer.transport.write(message)

    def _add(self, writer: Writer, loop: AbstractEventLoop) -> None:
        writers = self._writers
        writers.append(writer)
        if len(writers) == 1:
            loop.call_soon(self._flush)
        elif len(writers) == TOGETHER_MAX:
            self._flush()

    def _flush(self) -> None:
        writers, self._writers = self._writers, []
        for writer in writers:
            writer.flush()
