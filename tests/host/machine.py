"""A real keeper and a real host on folders of their own, without gateway and control."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest

from sutazai.fleet.desired import Desired, DesiredUnit, Kind, Probe
from sutazai.fleet.errors import ConnectFailed
from sutazai.fleet.places import Places
from sutazai.fleet.spec import Runtime, Temperature
from sutazai.fleet.status import Event, HostStatus, UnitStatus
from sutazai.host.limits import clear
from sutazai.wire import Address, Client

HOST = """
import asyncio, sys
from pathlib import Path
from sutazai.fleet.places import Places
from sutazai.host.app import run
asyncio.run(run(Places.of(Path(sys.argv[1])), []))
"""


class Machine:
    """One machine whose host is told what to want."""

    def __init__(self, places: Places, client: Client, keeper: subprocess.Popen[bytes]) -> None:
        self.places = places
        self.client = client
        self.keeper = keeper
        self.revision = 0

    async def want(self, *units: DesiredUnit) -> None:
        self.revision += 1
        desired = Desired(revision=self.revision, units=units)
        await self.call("PUT", "/desired", desired.model_dump(mode="json"))

    async def call(self, method: str, target: str, value: Any = None) -> Any:
        address = Address.parse(f"unix:{self.places.host_socket}")
        return await self.client.call(method, address, target, value)

    async def status(self) -> HostStatus:
        return HostStatus.model_validate(await self.call("GET", "/status"))

    async def answers(self) -> bool:
        try:
            await self.status()
        except ConnectFailed:
            return False
        return True

    async def unit(self, name: str) -> UnitStatus:
        return next(unit for unit in (await self.status()).units if unit.name == name)

    async def until(
        self, name: str, holds: Callable[[UnitStatus], bool], within: float = 60
    ) -> UnitStatus:
        """The unit as soon as ``holds`` of it; survives a host that is away for a moment."""
        async with asyncio.timeout(within):
            while True:
                try:
                    if holds(unit := await self.unit(name)):
                        return unit
                except (Exception, StopIteration):
                    if self.keeper.poll() is not None:
                        raise
                await asyncio.sleep(0.02)

    async def events(self) -> list[Event]:
        address = Address.parse(f"unix:{self.places.host_socket}")
        async with await self.client.request("GET", address, "/events?after=0") as response:
            return [
                Event.model_validate_json(line) for line in (await response.read()).splitlines()
            ]

    async def kill_host(self) -> None:
        os.kill((await self.status()).pid, signal.SIGKILL)


@asynccontextmanager
async def machine(host: str = HOST) -> AsyncIterator[Machine]:
    """A machine whose host is that program."""
    folder = Path(tempfile.mkdtemp(prefix="sz-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        places = Places.of(folder / "state")
    places.state.mkdir()
    keeper = start_keeper(places, host)
    try:
        async with Client() as client:
            one = Machine(places, client, keeper)
            async with asyncio.timeout(60):
                while not await one.answers():
                    await asyncio.sleep(0.01)
            yield one
    finally:
        keeper.terminate()
        keeper.wait(60)
        clear(places.groups)  # a host that was killed last leaves them
        rmtree(folder)


def start_keeper(places: Places, host: str = HOST) -> subprocess.Popen[bytes]:
    config = {
        "runtime": str(places.runtime),
        "log": str(places.state / "keeper.log"),
        "host": [sys.executable, "-c", host, str(places.state)],
        "environment": {"XDG_RUNTIME_DIR": str(places.runtime.parent.parent)},
        "mark": f"SUTAZAI_MARK={places.state}",
        "listeners": [],
    }
    file = places.state / "keeper.json"
    file.write_text(json.dumps(config))
    return subprocess.Popen(
        [sys.executable, "-m", "sutazai.keeper", str(file)], stdout=subprocess.DEVNULL
    )


def agent(name: str, entry: str | None = None, **changes: Any) -> DesiredUnit:
    """A hot agent; ``entry`` is looked for beside ``directory``."""
    return DesiredUnit(
        **{
            "name": name,
            "kind": Kind.AGENT,
            "version": "1",
            "runtime": Runtime.PYTHON,
            "entry": entry,
            "options": {"agent": name},
            "probe": Probe(path="/health", interval=0.2, timeout=10.0, failures=3, grace=60.0),
            "temperature": Temperature.HOT,
            "stop_timeout": 2.0,
            **changes,
        }
    )


def command(name: str, *words: str, **changes: Any) -> DesiredUnit:
    """A hot service that runs a program."""
    return agent(
        name,
        kind=Kind.SERVICE,
        runtime=Runtime.COMMAND,
        command=words,
        options={},
        probe=changes.pop("probe", Probe(interval=0.2, grace=60.0)),
        **changes,
    )
