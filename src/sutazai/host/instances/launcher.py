"""Brings instances into the world, each by the runtime of its unit, and finds living ones again."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sutazai.fleet.desired import DesiredUnit
from sutazai.fleet.places import Places
from sutazai.fleet.secrets import resolve_secret
from sutazai.fleet.spec import Runtime
from sutazai.host.instances.exits import Ending
from sutazai.host.instances.output import Log
from sutazai.host.instances.records import Record, Records
from sutazai.host.limits import Bounds, Usage

PORT = "{port}"
"""Stands for the port in a command and its environment."""


class Held(Protocol):
    """What runs: a process, or a container."""

    @property
    def pid(self) -> int:
        """Its first process; 0 where that cannot be seen from here."""

    async def ended(self) -> None:
        """Waits until it has ended."""

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to it; nothing where it has ended."""

    def kill_group(self) -> None:
        """Ends what it left running."""


class Heard(Protocol):
    """What it prints."""

    @property
    def last_lines(self) -> deque[str]:
        """The last few lines."""


@dataclass(frozen=True)
class End:
    """How an instance ended, and what it had taken; None where nothing is known."""

    ending: Ending
    usage: Usage | None


@dataclass(frozen=True)
class Started:
    """A running instance, with what the host holds of it.

    Args:
        usage: what it has taken so far; None where nothing is known.
        bounds: what the kernel holds it to; None where it is in no group of its own.
        finish: to be called once it has ended: removes what it leaves, and says how it was.
        reclaim: puts its memory into swap while it stands still; None where nothing can.
    """

    record: Record
    process: Held
    output: Heard
    usage: Callable[[], Usage | None]
    bounds: Callable[[], Bounds | None]
    finish: Callable[[], Awaitable[End]]
    reclaim: Callable[[], None] | None = None


class Starter(Protocol):
    """One way to run instances."""

    async def start(self, unit: DesiredUnit, log: Log) -> Started:
        """A new instance of ``unit``. Raises Failed, BadFleet (a secret that cannot be read)."""

    def adopt(self, record: Record, log: Log) -> Started | None:
        """The instance of a record; None where it has ended and nothing is left of it."""

    def share_cpu(self, instance: str, unit: DesiredUnit) -> None:
        """Gives a running instance the share of the cores that its unit has now."""

    async def sweep(self) -> None:
        """Ends what instances without a record left."""


class Launcher:
    """Starts instances, each by the starter of its runtime."""

    def __init__(self, places: Places, starters: Mapping[Runtime, Starter]) -> None:
        self._records = Records(places)
        self._starters = dict(starters)

    async def start(self, unit: DesiredUnit, log: Log) -> Started:
        """A new instance of ``unit``. Raises Failed, BadFleet (a secret that cannot be read)."""
        return await self._starters[unit.runtime].start(unit, log)

    def adopt(self, record: Record, log: Log) -> Started | None:
        """The instance of a record if it still runs; else what it last said goes to its log."""
        return self._starters[record.runtime].adopt(record, log)

    def share_cpu(self, instance: str, unit: DesiredUnit) -> None:
        """Gives a running instance the share of the cores that its unit has now."""
        self._starters[unit.runtime].share_cpu(instance, unit)

    def records(self) -> list[Record]:
        """The records that an earlier host left."""
        return list(self._records.all())

    async def sweep(self) -> None:
        """Ends what is left of instances that ended while no host ran."""
        for starter in set(self._starters.values()):
            await starter.sweep()


def resolved_environment(unit: DesiredUnit, stands_for: Mapping[str, str]) -> dict[str, str]:
    """The environment of an instance: placeholders replaced, then secrets read.

    Raises BadFleet where a secret cannot be read.
    """
    base = Path(unit.directory or "/")
    return {
        name: resolve_secret(replaced(text, stands_for), os.environ, base)
        for name, text in unit.environment.items()
    }


def replaced(text: str, stands_for: Mapping[str, str]) -> str:
    """``text`` with each placeholder replaced by what it stands for."""
    for placeholder, meant in stands_for.items():
        text = text.replace(placeholder, meant)
    return text
