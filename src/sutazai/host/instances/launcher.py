"""Brings instances into the world: socket, output, record, limits, process; adopts living ones."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from sutazai.fleet.desired import DesiredUnit
from sutazai.fleet.errors import Failed
from sutazai.fleet.ids import new_tag
from sutazai.fleet.places import Places
from sutazai.fleet.secrets import resolve_secret
from sutazai.fleet.spec import Runtime
from sutazai.host.instances.output import Log, Output
from sutazai.host.instances.process import Process
from sutazai.host.instances.records import Record, Records
from sutazai.host.instances.zygote import Confines, Launch, Zygote
from sutazai.host.limits import Limits, Usage, dissolve, limit_of, sweep

BACKLOG = 256
PORT = "{port}"
"""Stands for the port in a command and its environment."""


@dataclass
class Started:
    """A process that runs, with what the host holds of it."""

    record: Record
    process: Process
    output: Output
    usage: Callable[[], Usage | None]


class Launcher:
    """Starts processes through the zygote and keeps their records."""

    def __init__(self, places: Places, zygote: Zygote, limits: Limits) -> None:
        self._places = places
        self._zygote = zygote
        self._limits = limits
        self._records = Records(places)

    async def start(self, unit: DesiredUnit, log: Log) -> Started:
        """A new instance of ``unit``. Raises Failed, BadInput (a secret that cannot be read)."""
        instance = f"{unit.name}-{new_tag(5)}"
        listener, address = self._listen(unit, instance)
        record = Record(
            instance=instance,
            unit=unit.name,
            version=unit.version,
            started=time.time(),
            address=address,
        )
        output = Output(self._records.fifo(instance), instance, log)
        self._records.write(record)
        try:
            launch = _launch_of(unit, instance, address, self._make_room(unit, instance))
            process = await self._fork(launch, output, listener)
        except BaseException:
            await self.end(record, output)
            raise
        finally:
            if listener is not None:
                listener.close()
        record = replace(record, **vars(process.identity))
        self._records.write(record)
        return self._started(record, process, output)

    def usage(self, instance: str, leader: int) -> Usage | None:
        """What a running instance has taken so far; None where nothing is known."""
        return self._limits.usage(instance, leader)

    def share_cpu(self, instance: str, unit: DesiredUnit) -> None:
        """Gives a running instance the share of the cores that its unit has now."""
        with contextlib.suppress(OSError):  # it ends, or was started by a host without groups
            self._limits.share_cpu(instance, limit_of(unit))

    def adopt(self, record: Record, log: Log) -> Started | None:
        """The instance of a record if it still runs; else what it last said goes to its log."""
        identity = self._records.find_process(record)
        process = Process.adopt(identity) if identity is not None else None
        output = Output(self._records.fifo(record.instance), record.instance, log)
        if process is None:
            self.forget(record, output)
            return None
        return self._started(replace(record, **vars(process.identity)), process, output)

    def records(self) -> list[Record]:
        """The records that an earlier host left."""
        return list(self._records.all())

    async def end(self, record: Record, output: Output) -> Usage | None:
        """Ends all that an ended instance left running and forgets it; what it had taken."""
        last = self.usage(record.instance, record.pid)
        await dissolve(self._limits, record.instance, record.pid)
        self.forget(record, output)
        return last

    async def sweep(self) -> None:
        """Ends the groups of instances that ended while no host ran.

        A record is written before its group is made, so a group without a record is nobody's.
        """
        await sweep(self._limits, self._records.has)

    def forget(self, record: Record, output: Output) -> None:
        """Removes what an ended instance leaves: record, output, socket."""
        output.close()
        self._records.remove(record.instance)
        self._socket(record.instance).unlink(missing_ok=True)

    def _started(self, record: Record, process: Process, output: Output) -> Started:
        usage = partial(self.usage, record.instance, process.pid)
        return Started(record, process, output, usage)

    def _make_room(self, unit: DesiredUnit, instance: str) -> Confines:
        limit = limit_of(unit)
        try:
            doors = self._limits.create(instance, limit)
        except OSError as error:
            raise Failed(
                f"{unit.name} could not be given its limits: {error.strerror} ({error.filename})",
                hint="sutazai doctor says what this machine allows",
            ) from error
        return Confines(doors, limit.open_files)

    async def _fork(
        self, launch: Launch, output: Output, listener: socket.socket | None
    ) -> Process:
        descriptor = output.open_for_writing()
        try:
            return await self._zygote.launch(launch, descriptor, listener)
        finally:
            os.close(descriptor)

    def _listen(self, unit: DesiredUnit, instance: str) -> tuple[socket.socket | None, str | None]:
        """Where the instance will be reached; agents get their listening socket from us."""
        if unit.runtime is Runtime.PYTHON:
            path = self._socket(instance)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(str(path))
            listener.listen(BACKLOG)
            return listener, f"unix:{path}"
        return None, unit.address or f"http://127.0.0.1:{_free_port()}"

    def _socket(self, instance: str) -> Path:
        return self._places.sockets / instance.rpartition("-")[2]


def _launch_of(unit: DesiredUnit, instance: str, address: str | None, confines: Confines) -> Launch:
    port = (address or "").rpartition(":")[2]
    base = Path(unit.directory or "/")
    environment = {
        name: resolve_secret(text.replace(PORT, port), os.environ, base)
        for name, text in unit.environment.items()
    }
    if unit.command and port.isdigit():
        environment["PORT"] = port
    return Launch(
        instance=instance,
        entry=unit.entry,
        command=tuple(part.replace(PORT, port) for part in unit.command),
        options=unit.options,
        environment=_with_instance(environment, instance),
        directory=unit.directory,
        confines=confines,
    )


def _with_instance(environment: Mapping[str, str], instance: str) -> dict[str, str]:
    return {**environment, "SUTAZAI_INSTANCE": instance}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return int(port)
