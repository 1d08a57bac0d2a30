"""The terminal while `sutazai top` has it, and given back whatever happens."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import tty
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

from rich.live import Live

ENDS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""They end the task that watches, so that the terminal is given back on the way out."""
TYPED_MAX = 1024


class Terminal:
    """Shows ``live`` on a screen of its own, and tells of keys.

    While it is open, keys come without Enter and are not shown. An end by any signal that can be
    caught, an error, and Ctrl-Z give the terminal back as it was; after Ctrl-Z, `fg` goes on.

    Args:
        typed: called with what was typed; never where the input is no terminal.
        seen: called when the screen has to be drawn anew.
    """

    def __init__(
        self, live: Live, typed: Callable[[bytes], None], seen: Callable[[], None]
    ) -> None:
        self._live = live
        self._typed = typed
        self._seen = seen
        self._input = sys.stdin.fileno() if sys.stdin.isatty() else None
        self._before: list[Any] = termios.tcgetattr(self._input) if self._input is not None else []
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> Terminal:
        watching = asyncio.current_task()
        assert watching is not None  # noqa: S101 (a coroutine runs in a task; for the type)
        for number in ENDS:
            self._loop.add_signal_handler(number, watching.cancel)
        self._loop.add_signal_handler(signal.SIGTSTP, self._stop)
        self._loop.add_signal_handler(signal.SIGCONT, self._take)
        self._loop.add_signal_handler(signal.SIGWINCH, self._seen)
        try:
            self._take()
        except BaseException:  # the terminal is given back, whatever came
            self._give_back()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._give_back()

    def _take(self) -> None:
        if self._input is not None:
            tty.setcbreak(self._input)
            self._loop.add_reader(self._input, self._read, self._input)
        self._live.start()
        self._seen()

    def _give_back(self) -> None:
        with suppress(OSError):  # a terminal that was closed takes nothing back
            self._live.stop()
        if self._input is not None:
            self._loop.remove_reader(self._input)
            with suppress(termios.error):
                termios.tcsetattr(self._input, termios.TCSADRAIN, self._before)

    def _stop(self) -> None:
        """Ctrl-Z: stops once the terminal is as it was; going on is told by SIGCONT."""
        self._give_back()
        os.kill(os.getpid(), signal.SIGSTOP)

    def _read(self, descriptor: int) -> None:
        try:
            typed = os.read(descriptor, TYPED_MAX)
        except OSError:
            typed = b""
        if typed:
            self._typed(typed)
        else:
            self._loop.remove_reader(descriptor)  # the terminal was closed; SIGHUP is on its way
