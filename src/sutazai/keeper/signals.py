"""Signals as events of the loop."""

from __future__ import annotations

import os
import selectors
import signal
from types import FrameType

_STOPPING = (signal.SIGTERM, signal.SIGINT)
_IGNORED = (signal.SIGHUP, signal.SIGPIPE)


class Signals:
    """Wakes the selector on SIGCHLD and on the signals that ask for the end."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._asleep, self._alarm = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._stop_asked = False
        signal.set_wakeup_fd(self._alarm, warn_on_full_buffer=False)
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)
        for number in (signal.SIGCHLD, *_STOPPING):
            signal.signal(number, self._note)
        selector.register(self._asleep, selectors.EVENT_READ, self._drain)

    @property
    def stop_asked(self) -> bool:
        return self._stop_asked

    def _note(self, number: int, _frame: FrameType | None) -> None:
        # The pipe only wakes: when it is full of SIGCHLD, the byte of a SIGTERM would be lost.
        self._stop_asked = self._stop_asked or number in _STOPPING

    def _drain(self) -> None:
        while True:
            try:
                if len(os.read(self._asleep, 4096)) < 4096:
                    return
            except BlockingIOError:
                return
