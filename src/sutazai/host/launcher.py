"""Brings instances into the world: socket, output, record, process; and adopts living ones."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sutazai.fleet.desired import DesiredUnit
from sutazai.fleet.ids import new_tag
from sutazai.fleet.places import Places
from sutazai.fleet.secrets import resolve_secret
from sutazai.fleet.spec import Runtime
from sutazai.host.output import Log, Output
from sutazai.host.process import Process
from sutazai.host.records import Record, Records
from sutazai.host.zygote import Launch, Zygote

BACKLOG = 256
PORT = "{port}"
"""Stands for the port in a command and its environment."""


@dataclass
class Started:
    """A process that runs, with what the host holds of it."""

    record: Record
    process: Process
    output: Output


class Launcher:
    """Starts processes through the zygote and keeps their records."""

    def __init__(self, places: Places, zygote: Zygote) -> None:
        self._places = places
        self._zygote = zygote
        self._records = Records(places)

    async def start(self, unit: DesiredUnit, log: Log) -> Started:
        """A new instance of ``unit``. Raises Failed, BadInput (a secret that cannot be read)."""
        instance = f"{unit.name}-{new_tag(5)}"
        listener, address = self._listen(unit, instance)
        launch = _launch_of(unit, instance, address)
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
            process = await self._fork(launch, output, listener)
        except BaseException:
            self.forget(record, output)
            raise
        finally:
            if listener is not None:
                listener.close()
        record = replace(record, **vars(process.identity))
        self._records.write(record)
        return Started(record, process, output)

    def adopt(self, record: Record, log: Log) -> Started | None:
        """The instance of a record if it still runs; else what it last said goes to its log."""
        identity = self._records.find_process(record)
        process = Process.adopt(identity) if identity is not None else None
        output = Output(self._records.fifo(record.instance), record.instance, log)
        if process is None:
            self.forget(record, output)
            return None
        return Started(replace(record, **vars(process.identity)), process, output)

    def records(self) -> list[Record]:
        """The records that an earlier host left."""
        return list(self._records.all())

    def forget(self, record: Record, output: Output) -> None:
        """Removes what an ended instance leaves: record, output, socket."""
        output.close()
        self._records.remove(record.instance)
        self._socket(record.instance).unlink(missing_ok=True)

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


def _launch_of(unit: DesiredUnit, instance: str, address: str | None) -> Launch:
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
    )


def _with_instance(environment: Mapping[str, str], instance: str) -> dict[str, str]:
    return {**environment, "SUTAZAI_INSTANCE": instance}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return int(port)
