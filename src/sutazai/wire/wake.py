"""How a connection lets the task that waits for it go on."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any, Final, cast

import msgspec


class Wake(msgspec.Struct, eq=False):
    """A bell that one task waits for: ``await wake`` returns once `set` was called.

    What `asyncio.Future` is to a value, with one difference: `set` runs the waiting task then and
    there, where no other task is running. A future's waiter runs in the loop's next round, which
    costs a poll of all sockets for each piece of each body. So call `set` last, with everything in
    order: the task may use or close whatever called it.

    A bell that was rung while nobody waited is heard by the next who does, and so is one whose
    waiter was cancelled before it heard it. It can be used again and again, and only tasks can wait
    for it.
    """

    _loop: asyncio.AbstractEventLoop
    _rung: bool = False  # and nobody has heard it
    _future: asyncio.Future[None] | None = None  # what the last who waited waits for

    def set(self) -> None:
        """Let the task go on that waits, or the next one that will."""
        future = self._future
        if future is None or future.done() or asyncio.current_task(self._loop) is None:
            self.ring()
        elif not self._rung:
            self._rung = True  # should who waits be cancelled before it hears it
            self._loop.call_soon(self._ring_late, future)

    def ring(self) -> None:
        """As `set`, for who knows that no task is running: for what a transport calls."""
        future = self._future
        if future is None or future.done():
            self._rung = True
        else:
            self._rung = False
            # How a future's end is told is not public, but the same in every Python since 3.7.
            ((callback, context),) = future._callbacks
            future.remove_done_callback(callback)
            future.set_result(None)
            context.run(callback, future)

    def _ring_late(self, future: asyncio.Future[None]) -> None:
        """Lets the task go on that waits for ``future``, unless it has heard of it meanwhile."""
        if self._rung and not future.done():
            self.ring()

    @property
    def awaited(self) -> bool:
        """Whether a task waits."""
        return self._future is not None and not (self._rung or self._future.done())

    def __await__(self) -> Generator[Any, None, None]:
        if self._rung:
            self._rung = False
            return _NO_WAIT
        self._future = future = self._loop.create_future()
        return future.__await__()


_NO_WAIT: Final = cast("Generator[Any, None, None]", iter(()))
