"""Data of services, by the commands that they declare: written for a checkpoint, and read back once
the restored service is well."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from sutazai.control.checkpoints.programs import Program, read_by, write_by
from sutazai.fleet.errors import SutazaiError
from sutazai.fleet.places import Places
from sutazai.fleet.secrets import resolve_secret
from sutazai.fleet.spec import Service

FOLDER = "dumps"
END = ".dump"
LOOK = 1.0
AGAIN = 30.0
"""Seconds until what could not be read back is tried again."""

log = logging.getLogger(__name__)

IsWell = Callable[[str], Awaitable[bool]]


class Tell(Protocol):
    """Hears what became of a service's data."""

    def __call__(self, kind: str, message: str, *, unit: str) -> Awaitable[None]: ...


async def dump_services(services: Mapping[str, Service], base: Path, folder: Path) -> None:
    """Lets each enabled service with a `dump` write to ``folder``. Raises Failed and the like."""
    for name, service in services.items():
        if service.dump and service.enabled:
            program = _program(f"the dump of {name}", service.dump, service, base)
            await write_by(program, folder / f"{name}{END}")


def pending(services: Mapping[str, Service], places: Places) -> dict[str, Path]:
    """Dumps of a restored checkpoint that are still to be read back, by service."""
    files = {
        name: places.state / FOLDER / f"{name}{END}" for name, s in services.items() if s.restore
    }
    return {name: file for name, file in files.items() if file.exists()}


async def load_services(
    services: Mapping[str, Service], places: Places, base: Path, well: IsWell, tell: Tell
) -> None:
    """Lets each read its dump as soon as it is well; ends when none is left."""
    while left := pending(services, places):
        pause = LOOK
        for name, file in left.items():
            try:
                if await well(name):
                    program = _program(
                        f"the restore of {name}", services[name].restore, services[name], base
                    )
                    await read_by(program, file)
                    file.unlink()
                    await tell("service-restored", f"{name}: its data are restored", unit=name)
            except SutazaiError as error:
                log.warning("%s", error)
                with suppress(SutazaiError):  # what the database is down for is no reason to end
                    await tell("service-restore-failed", error.message, unit=name)
                pause = AGAIN
        await asyncio.sleep(pause)


def _program(what: str, command: tuple[str, ...], service: Service, base: Path) -> Program:
    port = str(service.port or "")
    environment = {
        name: resolve_secret(text.replace("{port}", port), os.environ, base)
        for name, text in service.environment.items()
    }
    words = tuple(word.replace("{port}", port) for word in command)
    return Program(what, words, environment, base / (service.directory or "."))
