"""Fast bodies are read in bursts.

A token's way through this process is mostly the kernel's work, and the client's, who is woken for
it: on one machine both take from the cores that compute the next token. Nobody reads a hundred
tokens a second one by one. So a connection whose chunks follow each other within `CLOSE` rests
after each: what comes within `REST` does not wake it, and is then read, and sent on, in one.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

REST = 0.02
"""Seconds for which what comes is left in the kernel."""

CLOSE = 0.01
"""Chunks that follow each other within so many seconds are fast."""

_A_LOT = 16 * 1024  # bytes that end a rest early


class Rests:
    """The connections of one client that rest. They end it together, so one timer does for all."""

    def __init__(self) -> None:
        self._resting: list[Rest] = []
        self._timer: asyncio.TimerHandle | None = None
        self._unwanted = 0

    @contextmanager
    def none(self) -> Iterator[None]:
        """Nobody rests meanwhile: what comes is wanted at once."""
        self._unwanted += 1
        if self._timer is not None:
            self._timer.cancel()
            self._end()
        try:
            yield
        finally:
            self._unwanted -= 1

    def add(self, rest: Rest) -> bool:
        """Whether it may rest. Its end is then called, once and soon."""
        if self._unwanted:
            return False
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(REST, self._end)
        self._resting.append(rest)
        return True

    def _end(self) -> None:
        self._timer = None
        resting, self._resting = self._resting, []
        for rest in resting:
            rest.end()


class Rest:
    """One connection's. Its transport does not count as readable meanwhile, unless it is closed."""

    __slots__ = ("_fast_until", "_rests", "_socket", "_time", "_transport")

    def __init__(
        self, rests: Rests, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._rests = rests
        self._transport = transport
        self._time = loop.time
        self._socket = _borrowed(transport.get_extra_info("socket"))
        self._fast_until = 0.0

    def came(self, now: float) -> None:
        """A chunk came at ``now``, the loop's time, and more are to come: rest if it was soon."""
        if now >= self._fast_until:
            self._fast_until = now + CLOSE
        elif self._socket is not None and self._rests.add(self):
            self._await_bytes(self._socket, _A_LOT)

    def end(self) -> None:
        """What comes is read again."""
        self._fast_until = self._time() + CLOSE
        if self._socket is not None and not self._transport.is_closing():
            self._await_bytes(self._socket, 1)

    def close(self) -> None:
        """The transport is lost."""
        if self._socket is not None:
            self._socket.detach()
            self._socket = None

    def _await_bytes(self, sock: socket.SocketType, count: int) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)


class _Borrowed(socket.SocketType):
    """A socket whose descriptor is somebody else's to close."""

    def __del__(self) -> None:
        self.detach()


def _borrowed(sock: socket.socket) -> _Borrowed | None:
    """The transport's own, which event loops wrap in something that costs as much as a read does;
    None where the kernel cannot wait for more than a byte."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    return _Borrowed(sock.family, sock.type, sock.proto, sock.fileno())
