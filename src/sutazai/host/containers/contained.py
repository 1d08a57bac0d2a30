"""A running container as the host holds it: by its first process where that is seen, and by the
engine."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from sutazai.fleet.errors import SutazaiError
from sutazai.host.containers.engine import Engine, Facts
from sutazai.host.instances.exits import Ending
from sutazai.host.instances.process import Process
from sutazai.host.limits import Bounds, Usage

SIGNALLED = 128
"""An engine's exit code for a death by signal 9 is 137."""


class Contained:
    """One container. Its end is noticed by its process, which an engine that hangs cannot hide; how
    it was the engine tells.

    Args:
        process: its first process; None where that is not to be seen.
        count: what it has taken so far; None where that is not to be seen.
        bounds: what the kernel holds it to; None where that is not to be seen.
    """

    def __init__(
        self,
        engine: Engine,
        container: str,
        process: Process | None,
        count: Callable[[], Usage | None],
        bounds: Callable[[], Bounds | None],
    ) -> None:
        self.bounds = bounds
        self._engine = engine
        self._container = container
        self._process = process
        self._count = count
        self._last: Usage | None = None
        self._facts: Facts | None = None
        self._ended = asyncio.Event()
        self._asking: set[asyncio.Task[None]] = set()
        self._watching = asyncio.create_task(self._watch(), name=f"watch container {container}")

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    async def ended(self) -> None:
        """Waits until it has ended."""
        await self._ended.wait()

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to it; for a polite end the one that its image asks for."""
        if not self._ended.is_set():
            polite = number is signal.SIGTERM
            self._ask(self._end_politely() if polite else self._send(number.name))

    async def leave(self) -> None:
        """Watches it no more."""
        self._watching.cancel()
        await asyncio.wait([self._watching])
        if self._process is not None:
            self._process.close()

    def kill_group(self) -> None:
        """Nothing: with its first process all others of a container end."""

    def usage(self) -> Usage | None:
        """What it has taken; once it has ended, what was seen of it at last."""
        if not self._ended.is_set():
            self._last = self._count() or self._last
        return self._last

    def ending(self) -> Ending:
        """How it ended."""
        return ending_of(self._facts)

    def last_usage(self) -> Usage | None:
        """What it had taken, with the engine's word on whether it died for want of memory."""
        return with_verdict(self._last, self._facts)

    async def _watch(self) -> None:
        if self._process is not None:
            await self._process.ended()
            self._last = self._count() or self._last  # its group is there for a moment yet
        self._facts = await self._engine.settled(self._container)
        self._ended.set()

    async def _end_politely(self) -> None:
        facts = await self._engine.inspect(self._container)
        asked = (facts or {}).get("Config", {}).get("StopSignal") or signal.SIGTERM.name
        await self._send(str(asked))

    async def _send(self, name: str) -> None:
        await self._engine.signal(self._container, name)

    def _ask(self, asking: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(quietly(asking), name=f"signal container {self._container}")
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)


class Attached:
    """A container that somebody else started. It is watched, and never touched.

    What would end it only lets go of it.
    """

    def __init__(self, contained: Contained) -> None:
        self._contained = contained
        self._let_go = asyncio.Event()

    @property
    def pid(self) -> int:
        return self._contained.pid

    async def ended(self) -> None:
        """Waits until it has ended, or was let go of."""
        waits = [
            asyncio.create_task(self._contained.ended(), name="end of an attached container"),
            asyncio.create_task(self._let_go.wait(), name="letting go of an attached container"),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()

    def signal(self, number: signal.Signals) -> None:
        """Lets go of it."""
        self._let_go.set()

    def kill_group(self) -> None:
        """Nothing: it is not ours."""


def ending_of(facts: Facts | None) -> Ending:
    """How a container ended, as the engine tells it."""
    code = None if facts is None else facts["State"].get("ExitCode")
    if not isinstance(code, int):
        return Ending()
    with contextlib.suppress(ValueError):
        return Ending(signal=signal.Signals(code - SIGNALLED).name)
    return Ending(status=code)


def with_verdict(last: Usage | None, facts: Facts | None) -> Usage | None:
    """What a container had taken, with what the engine knows better than its counters.

    One that the engine saw die for want of memory had reached its limit, for that is when the
    kernel kills.
    """
    if facts is None or not facts["State"].get("OOMKilled"):
        return last
    known = last or Usage()
    limit = known.limit or facts["HostConfig"].get("Memory") or None
    return Usage(
        memory=known.memory,
        peak=max(known.peak or 0, limit or 0) or None,
        limit=limit,
        cpu=known.cpu,
        oom_kills=max(1, known.oom_kills),
    )


async def quietly(asking: Coroutine[Any, Any, None]) -> None:
    """Asks the engine for something that may fail."""
    with contextlib.suppress(SutazaiError):  # the engine is away: the next signal may reach it
        await asking
