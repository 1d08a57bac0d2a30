"""Chunks that follow each other quickly leave together.

A token's way to its client is mostly the kernel's work, and the client's, who is woken for it: on
one machine both take from the cores that compute the next token. Nobody reads fifty tokens a second
one by one, so whoever sent a chunk keeps what comes within `GATHER` of it, and sends it in one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

GATHER = 0.02
"""Seconds for which a chunk may wait for others."""


class Gathering:
    """Calls those who keep something, all of them at the same time: so one timer does for many."""

    __slots__ = ("_sends",)

    def __init__(self) -> None:
        self._sends: list[Callable[[float], None]] = []

    def add(self, send: Callable[[float], None]) -> None:
        """Call ``send`` within `GATHER`, once, with the time (`time.monotonic`)."""
        if not self._sends:
            asyncio.get_running_loop().call_later(GATHER, self._send)
        self._sends.append(send)

    def _send(self) -> None:
        sends, self._sends = self._sends, []
        now = time.monotonic()
        for send in sends:
            send(now)
