"""How a connection lets the task that waits for it go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context
from typing import Any


class Wake:
    """A bell that one task waits for: ``await wake`` returns once `set` was called.

    What `asyncio.Future` is to a value, with one difference: `set` runs the waiting task then and
    there, where no other task is running. A future's waiter runs in the loop's next round, which
    costs a poll of all sockets for each piece of each body. So call `set` last, with everything in
    order: the task may use or close whatever called it.

    A bell that was rung while nobody waited is heard by the next who does. It can be used again and
    again; it is no `asyncio.Future`, and only tasks can wait for it.
    """

    __slots__ = (
        "_asyncio_future_blocking", "_callback", "_cancelled", "_context", "_loop", "_rung",
    )  # fmt: skip

    _context: Context  # of the task that waits, where there is a callback

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._asyncio_future_blocking = self._rung = self._cancelled = False
        self._loop = loop
        self._callback: Callable[[Wake], object] | None = None

    def set(self) -> None:
        """Let the task go on that waits, or the next one that will."""
        self._rung = True
        callback = self._callback
        if callback is None:
            return
        self._callback = None
        if asyncio.current_task(self._loop) is None:
            self._context.run(callback, self)
        else:
            self._loop.call_soon(callback, self, context=self._context)

    @property
    def awaited(self) -> bool:
        """Whether a task waits."""
        return self._callback is not None

    def __await__(self) -> Generator[Wake, None, None]:
        if not self._rung:
            self._asyncio_future_blocking = True
            yield self
        self._rung = False

    # what a task asks of whatever it waits for

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def add_done_callback(self, callback: Callable[[Wake], object], *, context: Context) -> None:
        self._callback = callback
        self._context = context

    def result(self) -> None:
        if self._cancelled:
            self._cancelled = False
            raise asyncio.CancelledError

    def cancel(self, msg: Any = None) -> bool:
        """The waiting task is cancelled; False where it is on its way already."""
        callback, self._callback = self._callback, None
        if callback is None:
            return False
        self._cancelled = True
        self._loop.call_soon(callback, self, context=self._context)
        return True
