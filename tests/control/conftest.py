"""A state folder as `up` leaves it, fake peers, and control here or in a process of its own."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from sutazai.control.api.parts import Parts
from sutazai.control.app import open_control
from sutazai.control.serving import serve
from sutazai.control.settings import read_settings
from sutazai.fleet.places import Places
from sutazai.fleet.serving import EmbeddedLlm
from sutazai.fleet.spec import Agent, Fleet, Sampling, Temperature
from tests.control.peers import FakeGateway, FakeHost
from tests.ports import free_port

TOKEN = "the-admin-token"


def small_fleet(**update: Any) -> Fleet:
    """The three agents of the standard workflow, and no Ollama whatever this machine has."""
    agents = {
        "planner": Agent(prompt="Plan.", temperature=Temperature.HOT, port=10460),
        "executor": Agent(prompt="Do.", temperature=Temperature.HOT, sampling=Sampling()),
        "reviewer": Agent(prompt="Review."),
    }
    fleet = Fleet(name="small", agents=agents, llm=EmbeddedLlm(detect_ollama=False))
    return fleet.model_copy(update=update)


def write_state(places: Places, fleet: Fleet, port: int, *, started: float = 1000.0) -> None:
    places.state.mkdir(parents=True, exist_ok=True)
    places.runtime.mkdir(parents=True, exist_ok=True)
    (places.state / "fleet.json").write_text(fleet.model_dump_json(by_alias=True))
    ports = {"host": "127.0.0.1", "control": port, "gateway": 10104}
    config = {"fleet": fleet.name, "fleet_file": None, "started": started, "ports": ports}
    places.config.write_text(json.dumps(config))
    places.token.write_text(TOKEN)


async def eventually(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """What ``condition`` gives once that is true."""
    async with asyncio.timeout(seconds):
        while not (found := condition()):
            await asyncio.sleep(0.02)
    return found


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Places]:
    """Places whose sockets have short paths."""
    runtime = tempfile.mkdtemp(prefix="szc-", dir="/tmp")
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    places = Places.of(tmp_path / "state")
    write_state(places, small_fleet(), free_port())
    yield places
    shutil.rmtree(runtime)


@pytest.fixture
async def host(places: Places) -> AsyncIterator[FakeHost]:
    host = FakeHost(places.host_socket)
    await host.start()
    yield host
    await host.stop()


@pytest.fixture
async def gateway(places: Places) -> AsyncIterator[FakeGateway]:
    gateway = FakeGateway(places.gateway_socket)
    await gateway.start()
    yield gateway
    await gateway.stop()


@asynccontextmanager
async def running_control(
    places: Places, *, every: float = 2.0
) -> AsyncIterator[tuple[Parts, str]]:
    """Control in this process, and its URL."""
    settings = read_settings(places)
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with open_control(settings, every=every) as parts:
        serving = asyncio.create_task(serve(parts, listener), name="control")
        try:
            yield parts, url
        finally:
            parts.stopping.set()
            await asyncio.wait_for(serving, 60)


@pytest.fixture
async def api(
    places: Places, host: FakeHost, gateway: FakeGateway
) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the admin token, of a control that has told its peers."""
    async with running_control(places) as (_, url):
        await eventually(lambda: host.pushed and gateway.pushed)
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
            yield client
