"""Messages that leave together."""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # which posts here
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
        self._now = 0.0

    @contextmanager
    def none(self) -> Iterator[None]:
        """Nothing waits meanwhile."""
        self._unwanted += 1
        self._flush()
        try:
            yield
        finally:
            self._unwanted -= 1

    def is_for(self) -> bool:
        """Whether a message had better wait. The first of a round goes at once: most are alone.

        The clock of uvloop stands still within a round, for which others' messages are never kept.
        """
        now = get_running_loop().time()
        if now == self._now:
            return not self._unwanted
        self._now = now
        return False

    def add(self, writer: Writer) -> None:
        """Have ``writer`` flush when this round ends."""
        writers = self._writers
        writers.append(writer)
        if len(writers) == 1:
            get_running_loop().call_soon(self._flush)
        elif len(writers) == TOGETHER_MAX:
            self._flush()

    def _flush(self) -> None:
        writers, self._writers = self._writers, []
        for writer in writers:
            writer.flush()
