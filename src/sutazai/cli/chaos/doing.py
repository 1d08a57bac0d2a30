"""Does what a chaos file says, and undoes it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import assert_never

from sutazai.cli.chaos.hogs import Hog
from sutazai.cli.chaos.victims import Victim, Victims
from sutazai.fleet.chaos import Action, Connections, Cpu, Freeze, Kill, Memory
from sutazai.fleet.errors import SutazaiError
from sutazai.host.machine import read_machine

BACK_WITHIN = 60.0
"""Seconds that a killed process has to be replaced until that is called a failure."""

_LOOK_EVERY = 0.25

Trouble = Callable[[Connections], Awaitable[None]]
"""Has the gateway cut and delay requests. Raises what keeps it from that."""


@dataclass
class Deed:
    """What was done: ``at`` seconds after the start, to whom, and how long until they were back;
    None where they were not, or where nothing had to come back."""

    at: float
    what: str
    units: tuple[str, ...] = ()
    back: float | None = None
    trouble: str = ""


@dataclass
class Doer:
    """Does one action after another.

    Args:
        begun: the start on the monotonic clock.
    """

    victims: Victims
    trouble: Trouble
    begun: float
    deeds: list[Deed] = field(default_factory=list)
    _frozen: set[int] = field(default_factory=set)
    _hogs: set[Hog] = field(default_factory=set)

    async def do(self, action: Action) -> None:
        """Does it, waits until it is over, and for those to come back who were hit."""
        deed = Deed(round(time.monotonic() - self.begun, 2), describe(action))
        self.deeds.append(deed)
        try:
            await self._done(action, deed)
        except (SutazaiError, OSError) as error:
            deed.trouble = str(error)

    def undo(self) -> None:
        """Lets go of everything that is held at this moment."""
        for pid in list(self._frozen):
            self._thaw(pid)
        for hog in list(self._hogs):
            self._end(hog)

    async def _done(self, action: Action, deed: Deed) -> None:
        match action:
            case Kill():
                await self._kill(await self._hit(action, deed), deed)
            case Freeze():
                await self._freeze(await self._hit(action, deed), action.lasts)
            case Memory():
                await self._hog([Hog.of_memory(action.size or _a_quarter())], action.lasts)
            case Cpu():
                await self._hog([Hog.of_cpu() for _ in range(action.cores)], action.lasts)
            case Connections():
                await self.trouble(action)
                await asyncio.sleep(action.lasts)
            case _:
                assert_never(action)

    async def _hit(self, action: Kill | Freeze, deed: Deed) -> list[Victim]:
        found = await self.victims.drawn(action.what, action.count)
        deed.units = tuple(dict.fromkeys(victim.unit for victim in found))
        if not found:
            deed.trouble = f"no process of {action.what} runs"
        return found

    async def _kill(self, found: list[Victim], deed: Deed) -> None:
        for victim in found:
            with suppress(ProcessLookupError):  # as killed
                os.kill(victim.pid, signal.SIGKILL)
        killed = time.monotonic()
        for victim in found:
            await self._wait_for(victim, killed + BACK_WITHIN)
        if found:
            deed.back = round(time.monotonic() - killed, 2)

    async def _wait_for(self, victim: Victim, until: float) -> None:
        while not await self.victims.is_back(victim):
            if time.monotonic() > until:
                raise TimeoutError(f"{victim.unit} did not come back within {BACK_WITHIN:g} s")
            await asyncio.sleep(_LOOK_EVERY)

    async def _freeze(self, found: list[Victim], seconds: float) -> None:
        for victim in found:
            with suppress(ProcessLookupError):
                os.kill(victim.pid, signal.SIGSTOP)
                self._frozen.add(victim.pid)
        try:
            await asyncio.sleep(seconds)
        finally:
            for victim in found:
                self._thaw(victim.pid)

    def _thaw(self, pid: int) -> None:
        if pid in self._frozen:
            self._frozen.discard(pid)
            with suppress(ProcessLookupError):  # the host ended it
                os.kill(pid, signal.SIGCONT)

    async def _hog(self, hogs: list[Hog], seconds: float) -> None:
        self._hogs.update(hogs)
        try:
            await asyncio.sleep(seconds)
        finally:
            for hog in hogs:
                self._end(hog)

    def _end(self, hog: Hog) -> None:
        if hog in self._hogs:
            self._hogs.discard(hog)
            hog.end()


def _a_quarter() -> int:
    """A quarter of the bytes that can be had now."""
    return read_machine().memory.available // 4


def describe(action: Action) -> str:
    """An action in a few words."""
    match action:
        case Kill(what=what, count=count):
            return f"kill {_whom(what, count)}"
        case Freeze(what=what, count=count, lasts=lasts):
            return f"freeze {_whom(what, count)} for {lasts:.1f} s"
        case Memory(size=size, lasts=lasts):
            amount = "a quarter of what is free" if size is None else f"{size >> 20} MiB"
            return f"take {amount} of memory for {lasts:.1f} s"
        case Cpu(cores=cores, lasts=lasts):
            return f"burn {cores} cores for {lasts:.1f} s"
        case Connections(drop=drop, delay=delay, lasts=lasts):
            return f"cut {drop:.0%} of requests and delay all {delay:g} s, for {lasts:.1f} s"
        case _:
            assert_never(action)


def _whom(what: str, count: int) -> str:
    return what if what != "agents" else f"{count} of the agents"
