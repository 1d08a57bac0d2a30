"""A load on a proxy: connections that ask again as soon as they are answered, or at a given rate.

Written on bare transports, so that it is cheaper than what it measures.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import deque
from dataclasses import dataclass, field
from typing import cast

PATIENCE = 600.0
_TAIL = 32  # bytes of an answer that are kept, for ends that come in two pieces
FIGURES = b"########"
"""Stands for what is another in each request, in content and in length: nothing is the same."""


@dataclass(frozen=True)
class Ask:
    """A request to be repeated.

    Args:
        path: where it is posted.
        body: has `FIGURES` somewhere.
        keys: bearer tokens; each connection uses one of them.
        end: is in the last piece of a right answer's body.
    """

    path: str
    body: bytes
    keys: tuple[str, ...]
    end: bytes

    def head(self, number: int) -> bytes:
        """Up to the body's length."""
        lines = (
            f"POST {self.path} HTTP/1.1",
            "host: 127.0.0.1",
            "accept: application/json",
            "accept-encoding: identity",
            "connection: keep-alive",
            "user-agent: bench/1.0",
            f"authorization: Bearer {self.keys[number % len(self.keys)]}",
            "content-type: application/json",
            "content-length: ",
        )
        return "\r\n".join(lines).encode()


@dataclass
class Work:
    """What is left to ask, and how it went. Latencies in seconds, in no order."""

    left: int
    running: int = 0
    answered: int = 0
    latencies: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self) -> bool:
        if self.left <= 0 or self.wrong:
            return False
        self.left -= 1
        self.running += 1
        return True

    def give_back(self, latency: float) -> None:
        self.answered += 1
        self.running -= 1
        self.latencies.append(latency)
        if not self.running and self.left <= 0:
            self.done.set()

    def fail(self, why: str) -> None:
        self.wrong.append(why)
        self.done.set()


_numbers = itertools.count()


class Caller(asyncio.Protocol):
    """One connection of a client. ``idle`` gets it back after each answer, if given."""

    def __init__(
        self, ask: Ask, number: int, work: Work, idle: deque[Caller] | None = None
    ) -> None:
        self._head = ask.head(number)
        self._before, _, self._after = ask.body.partition(FIGURES)
        self._length = len(self._before) + len(self._after)
        self._end = ask.end
        self._work = work
        self._idle = idle
        self._asked = 0.0
        self._asking = self._ended = self._closing = False
        self._tail = b""
        self._missing = -1  # bytes; -1 before the head, -2 where the body is chunked
        self.begun = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closing:
            self._work.fail(f"a connection was lost: {exc}")

    def ask(self) -> None:
        """Sends the next request, if there is one left."""
        if not self._work.take():
            return
        self._asking, self._ended, self._missing, self._tail = True, False, -1, b""
        number = next(_numbers)
        figures = b"%d%b" % (number, b"." * (number % 61))
        head = b"%b%d\r\n\r\n" % (self._head, self._length + len(figures))
        self._asked = time.perf_counter()  # the loop's own clock counts milliseconds
        self._transport.write(b"%b%b%b%b" % (head, self._before, figures, self._after))

    def close(self) -> None:
        self._closing = True
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._missing == -1:
            data = self._tail + data
            head, end, rest = data.partition(b"\r\n\r\n")
            if not end:
                self._tail = data
                return
            self._tail = b""
            self._read_head(head)
            data = rest
        self._take(data)

    def _take(self, data: bytes) -> None:
        self.begun = self.begun or bool(data)
        seen = self._tail + data
        self._ended = self._ended or self._end in seen
        self._tail = seen[-_TAIL:]
        if self._missing >= 0:
            self._missing -= len(data)
        if self._missing == 0 or (self._missing == -2 and seen.endswith(b"0\r\n\r\n")):
            self._answered()

    def _read_head(self, head: bytes) -> None:
        if head[9:12] != b"200":
            self._work.fail(head.decode("latin-1"))
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        self._missing = int(length) if length else -2

    def _answered(self) -> None:
        if not self._ended:
            self._work.fail("an answer had no end")
        self._asking = False
        self._work.give_back(time.perf_counter() - self._asked)
        if self._idle is None:
            self.ask()
        else:
            self._idle.append(self)


class Load:
    """Connections to a proxy on ``port``. Use as ``async with``."""

    def __init__(self, port: int, ask: Ask) -> None:
        self._port = port
        self._ask = ask
        self._callers: list[Caller] = []

    async def __aenter__(self) -> Load:
        return self

    async def __aexit__(self, *_: object) -> None:
        for caller in self._callers:
            caller.close()
        await asyncio.sleep(0)

    async def repeat(self, requests: int, connections: int) -> Work:
        """So many requests, on so many connections that ask again at once."""
        work = Work(requests)
        for caller in await self._connect(connections, work, None):
            caller.ask()
        return await _finished(work)

    async def at_rate(self, requests: int, per_second: float) -> Work:
        """Requests at random moments, so many a second, whatever becomes of those before."""
        work, idle, chance = Work(requests), deque[Caller](), random.Random(1)
        loop = asyncio.get_running_loop()
        idle += await self._connect(32, work, idle)
        due = loop.time()
        while work.left and not work.wrong:
            due += chance.expovariate(per_second)
            await asyncio.sleep(max(due - loop.time(), 0))
            if not idle:
                idle += await self._connect(1, work, idle)
            idle.popleft().ask()
        return await _finished(work)

    async def hold(self, connections: int) -> None:
        """Opens so many streams; returns once each has its first piece."""
        work = Work(connections)
        callers = await self._connect(connections, work, None)
        for caller in callers:
            caller.ask()
        async with asyncio.timeout(PATIENCE):
            while not all(caller.begun for caller in callers):
                await asyncio.sleep(0.05)
                _check(work)

    async def _connect(
        self, connections: int, work: Work, idle: deque[Caller] | None
    ) -> list[Caller]:
        loop, made = asyncio.get_running_loop(), []
        for _ in range(connections):
            caller = Caller(self._ask, len(self._callers), work, idle)
            await loop.create_connection(lambda caller=caller: caller, "127.0.0.1", self._port)  # type: ignore[misc]
            self._callers.append(caller)
            made.append(caller)
        return made


async def _finished(work: Work) -> Work:
    async with asyncio.timeout(PATIENCE):
        await work.done.wait()
    _check(work)
    return work


def _check(work: Work) -> None:
    if work.wrong:
        raise SystemExit(f"a proxy gave a wrong answer: {work.wrong[0]}")
