"""What the gateway keeps on disk, so that it serves at once after a restart, whoever else is down.

Written as a whole beside the old copy, flushed, then renamed over it: after a crash at any point
there is the old copy or the new one. Mode 0600, for routes hold keys.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from sutazai.fleet.errors import BadInput
from sutazai.fleet.facts import EndpointFacts
from sutazai.fleet.files import flush_folder, replace_file
from sutazai.fleet.routes import Routes
from sutazai.fleet.shapes import Shape

log = logging.getLogger("sutazai.gateway")

NO_ROUTES = Routes(revision=0)

WRITE_DELAY = 0.5
"""Seconds in which changes of endpoints are gathered into one write."""

S = TypeVar("S", bound=Shape)


def read_shape(shape: type[S], data: bytes) -> S:
    """``data`` as ``shape``. Raises BadInput, which names the first fault and never a secret."""
    try:
        return shape.model_validate_json(data)
    except ValidationError as cause:
        fault = cause.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, fault["loc"])) or "the body"
        raise BadInput(f"not {shape.__name__}: {place}: {fault['msg']}") from None


def load(shape: type[S], path: Path) -> S | None:
    """What was kept, or None where nothing was or it cannot be used (which is logged)."""
    try:
        return read_shape(shape, path.read_bytes())
    except FileNotFoundError:
        return None
    except (BadInput, OSError) as error:
        log.warning("%s cannot be used, going on without it: %s", path, error)
        return None


def load_routes(path: Path) -> Routes:
    return load(Routes, path) or NO_ROUTES


def load_endpoints(path: Path) -> EndpointFacts | None:
    return load(EndpointFacts, path)


class Keeping:
    """Keeps a changing value on disk without writing every change.

    Args:
        path: the file.
        render: the value as it is now.
    """

    def __init__(self, path: Path, render: Callable[[], bytes]) -> None:
        self._path = path
        self._render = render
        self._changed = asyncio.Event()
        self._writing = asyncio.Lock()
        self._task = asyncio.create_task(self._run(), name=f"keeping-{path.name}")

    def touch(self) -> None:
        """The value has changed."""
        self._changed.set()

    async def close(self) -> None:
        """Writes what is not written yet."""
        async with self._writing:  # never cancelled in the midst: its thread would go on
            self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._write()

    async def _run(self) -> None:
        while True:
            await self._changed.wait()
            await asyncio.sleep(WRITE_DELAY)
            await self._write()

    async def _write(self) -> None:
        async with self._writing:
            if not self._changed.is_set():
                return
            self._changed.clear()
            try:
                await asyncio.to_thread(replace_file, self._path, self._render())
            except OSError as error:  # the next change tries again
                log.warning("%s cannot be written: %s", self._path, error)


class Switch:
    """What is on or off, also after a restart: on while there is a file at ``path``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.on = path.exists()

    async def set(self, *, on: bool) -> None:
        """Raises OSError where it cannot be kept; it is as it was, then."""
        await asyncio.to_thread(self._keep, on)
        self.on = on

    def _keep(self, on: bool) -> None:
        if on:
            replace_file(self._path, b"")
        else:
            self._path.unlink(missing_ok=True)
            flush_folder(self._path.parent)
