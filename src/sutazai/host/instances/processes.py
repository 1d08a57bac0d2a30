"""Instances that are processes of ours: socket, output, record, limits, process.

This is the runtime of `python` and `command`: what a zygote forks.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from sutazai.fleet.desired import DesiredUnit
from sutazai.fleet.errors import Failed
from sutazai.fleet.ids import new_tag
from sutazai.fleet.places import Places
from sutazai.fleet.spec import Runtime
from sutazai.host.instances.environments import Environments
from sutazai.host.instances.exits import ExitJournal
from sutazai.host.instances.launcher import PORT, End, Started, resolved_environment
from sutazai.host.instances.output import Log, Output
from sutazai.host.instances.ports import free_port
from sutazai.host.instances.process import Process
from sutazai.host.instances.records import Record, Records
from sutazai.host.instances.zygote import Confines, Launch
from sutazai.host.instances.zygotes import Zygotes
from sutazai.host.isolation import Isolator
from sutazai.host.limits import Limits, Usage, dissolve, limit_of, sweep

BACKLOG = 256


class Processes:
    """Starts processes through the zygotes and keeps their records."""

    def __init__(
        self,
        places: Places,
        zygotes: Zygotes,
        environments: Environments,
        limits: Limits,
        isolator: Isolator,
    ) -> None:
        self._places = places
        self._zygotes = zygotes
        self._environments = environments
        self._limits = limits
        self._isolator = isolator
        self._records = Records(places)
        self._journal = ExitJournal(places.exits)

    async def start(self, unit: DesiredUnit, log: Log) -> Started:
        """A new instance of ``unit``.

        Raises Failed, BadInput (no such environment), BadFleet (a secret that cannot be read).
        """
        python = await self._environments.python_of(unit, log)
        kept = await self._isolator.keep(unit, python)
        instance = f"{unit.name}-{new_tag(5)}"
        listener, address = self._listen(unit, instance)
        record = Record(
            instance=instance,
            unit=unit.name,
            runtime=unit.runtime,
            version=unit.version,
            started=time.time(),
            address=address,
        )
        output = Output(self._records.fifo(instance), instance, log)
        self._records.write(record)
        try:
            self._records.give_fifo(instance, kept.uid)
            confines = replace(self._make_room(unit, instance), walls=kept.walls)
            launch = _launch_of(unit, instance, address, confines, kept.environment)
            process = await self._fork(unit, python, launch, output, listener)
        except BaseException:  # what was begun is ended, whatever came
            await self.end(record, output)
            raise
        finally:
            if listener is not None:
                listener.close()
        record = replace(record, **vars(process.identity))
        self._records.write(record)
        return self._started(record, process, output)

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

    async def end(self, record: Record, output: Output) -> Usage | None:
        """Ends all that an ended instance left running and forgets it; what it had taken."""
        last = self._limits.usage(record.instance, record.pid)
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
        async def finish() -> End:
            ending = await self._journal.ending_of(process)
            return End(ending, await self.end(record, output))

        usage = partial(self._limits.usage, record.instance, process.pid)
        grouped = self._limits.kind != "accounting"
        reclaim = partial(self._limits.reclaim, record.instance) if grouped else None
        bounds = partial(self._limits.bounds, record.instance)
        return Started(record, process, output, usage, bounds, finish=finish, reclaim=reclaim)

    def _make_room(self, unit: DesiredUnit, instance: str) -> Confines:
        limit = limit_of(unit)
        try:
            doors = self._limits.create(instance, limit)
        except OSError as error:
            raise Failed(
                f"{unit.name} could not be given its limits: {error.strerror} ({error.filename})",
                hint="sutazai doctor says what this machine allows",
            ) from error
        return Confines(doors, limit.open_files, unit.cores)

    async def _fork(
        self,
        unit: DesiredUnit,
        python: str | None,
        launch: Launch,
        output: Output,
        listener: socket.socket | None,
    ) -> Process:
        descriptor = output.open_for_writing()
        descriptors = [descriptor] if listener is None else [descriptor, listener.fileno()]
        try:
            return await self._zygotes.launch(launch, descriptors, unit=unit, python=python)
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
        return None, unit.address or f"http://127.0.0.1:{free_port()}"

    def _socket(self, instance: str) -> Path:
        return self._places.sockets / instance.rpartition("-")[2]


def _launch_of(
    unit: DesiredUnit,
    instance: str,
    address: str | None,
    confines: Confines,
    told: Mapping[str, str],
) -> Launch:
    port = (address or "").rpartition(":")[2]
    environment = {**told, **resolved_environment(unit, {PORT: port})}
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
