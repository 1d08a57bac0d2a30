"""A real keeper and a real host on folders of their own, without gateway and control."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
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
    """One machine whose host is told what to want, by a client that is there for one test."""

    client: Client

    def __init__(self, places: Places, keeper: subprocess.Popen[bytes]) -> None:
        self.places = places
        self.keeper = keeper
        self.revision = 0
        self._known = 0

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

    async def until_it_answers(self) -> None:
        async with asyncio.timeout(60):
            while not await self.answers():
                await asyncio.sleep(0.01)

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
        """Those of this test."""
        address = Address.parse(f"unix:{self.places.host_socket}")
        target = f"/events?after={self._known}"
        async with await self.client.request("GET", address, target) as response:
            return [
                Event.model_validate_json(line) for line in (await response.read()).splitlines()
            ]

    async def kill_host(self) -> None:
        os.kill((await self.status()).pid, signal.SIGKILL)

    async def clear(self) -> None:
        """Ends everything and forgets what was said and happened."""
        await self.until_it_answers()
        await self.want()
        async with asyncio.timeout(60):
            while (await self.status()).units:
                await asyncio.sleep(0.01)
        for log in self.places.logs.glob("*.log"):
            log.unlink()
        if told := await self.events():
            self._known = told[-1].sequence


@asynccontextmanager
async def machine(host: str = HOST) -> AsyncIterator[Machine]:
    """A machine whose host is that program."""
    with standing(host) as made:
        async with entered(made) as one:
            yield one


@asynccontextmanager
async def entered(one: Machine) -> AsyncIterator[Machine]:
    """A standing machine for one test, as the test before left it."""
    async with Client() as one.client:
        await one.until_it_answers()
        yield one


@asynccontextmanager
async def visited(one: Machine) -> AsyncIterator[Machine]:
    """A standing machine for one test, which finds and leaves it as new."""
    async with entered(one):
        yield one
        await one.clear()


@contextmanager
def standing(host: str = HOST) -> Iterator[Machine]:
    """A machine for several tests, one after another; its host may not answer yet."""
    folder = Path(tempfile.mkdtemp(prefix="sz-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        places = Places.of(folder / "state")
    places.state.mkdir()
    keeper = start_keeper(places, host)
    try:
        yield Machine(places, keeper)
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
