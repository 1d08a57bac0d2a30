"""The gateway as a process of its own: started, stopped, killed, started again."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sutazai.fleet.errors import PeerClosed, SutazaiError
from sutazai.fleet.places import Places
from sutazai.wire import Client
from tests.gateway.conftest import until
from tests.gateway.fake_backend import FakeBackend, Script
from tests.gateway.fake_keeper import FakeKeeper
from tests.gateway.house import KEY, House, door, route

CHAT = {"model": "fast", "messages": [{"role": "user", "content": "hi"}], "stream": False}


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Places]:
    """Places as the process itself finds them from its state folder."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/tmp")
    state = tmp_path / "state"
    state.mkdir()
    found = Places.of(state)
    found.runtime.mkdir(mode=0o700, parents=True)
    found.config.write_text(json.dumps({"ports": {"host": "127.0.0.1", "gateway": 0}}))
    yield found
    shutil.rmtree(found.runtime)


@pytest.fixture
def keeper(at_home: Places) -> Iterator[FakeKeeper]:
    with FakeKeeper(at_home.keeper_socket) as made:
        yield made


@pytest.fixture
def outside(at_home: Places, client: Client, keeper: FakeKeeper) -> House:
    """The usual ways to speak to a gateway, which here is another process."""
    house = House(at_home, client)
    house.sockets.ports = PortsOf(keeper)
    return house


class PortsOf(dict[str, int]):
    def __init__(self, keeper: FakeKeeper) -> None:
        super().__init__()
        self._keeper = keeper

    def __getitem__(self, name: str) -> int:
        return self._keeper.ports[name]


@asynccontextmanager
async def gateway(places: Places) -> AsyncIterator[Process]:
    with log_of(places).open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sutazai.gateway", str(places.state), stderr=log
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def log_of(places: Places) -> Path:
    """What it says goes into a file: a pipe that nobody reads would hold it up."""
    return places.state / "gateway.log"


async def ready(house: House) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                await house.stats()
            except SutazaiError:
                await asyncio.sleep(0.02)
            else:
                return


async def test_it_stops_when_told_and_lets_calls_end(outside: House) -> None:
    hold = asyncio.Event()
    async with FakeBackend(script=Script(hold=hold)) as fake, gateway(outside.places) as process:
        await ready(outside)
        await outside.route(route(fake))
        await outside.wait_for(lambda stats: stats["backends"][0]["available"])
        call = asyncio.create_task(outside.post("/api/chat", CHAT))
        await until(lambda: fake.running)
        process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.1)
        hold.set()
        assert (await call).status == 200
        assert await asyncio.wait_for(process.wait(), 60) == 0


async def test_killed_it_comes_back_and_no_connection_is_refused(outside: House) -> None:
    async with FakeBackend() as fake:
        async with gateway(outside.places) as process:
            await ready(outside)
            await outside.route(route(fake), doors=[door("planner", port=0)])
            await outside.wait_for(lambda stats: stats["backends"][0]["available"])
            fake.script = Script(hang_after=1)
            cut = asyncio.create_task(outside.post("/api/chat", {**CHAT, "stream": True}))
            await until(lambda: fake.running)
            process.kill()
            await process.wait()
            with pytest.raises(PeerClosed):
                await cut
        fake.script = Script()
        while_down = asyncio.create_task(outside.post("/api/chat", CHAT, key=KEY))
        at_door = asyncio.create_task(outside.get("/health", address=outside.door("planner")))
        async with gateway(outside.places):
            async with asyncio.timeout(60):
                assert (await while_down).status == 200
                assert (await at_door).json["status"] == "asleep"


async def test_without_a_keeper_it_says_so_and_ends(at_home: Places) -> None:
    async with gateway(at_home) as process:
        assert await asyncio.wait_for(process.wait(), 60) == 6
    assert "the keeper is not there" in log_of(at_home).read_text()


async def test_a_second_one_does_not_take_the_firsts_place(outside: House) -> None:
    async with gateway(outside.places):
        await ready(outside)
        async with gateway(outside.places) as second:
            assert await asyncio.wait_for(second.wait(), 60) != 0
        await outside.stats()
