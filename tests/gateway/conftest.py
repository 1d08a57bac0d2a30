"""A gateway of one's own in the test's event loop, on real sockets."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from sutazai.fleet.places import Places
from sutazai.fleet.routes import BackendRoute
from sutazai.wire import Client
from tests.gateway import llama
from tests.gateway.house import House


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Places]:
    """Places with a runtime folder of their own, short enough for sockets."""
    runtime = Path("/tmp") / f"sg-{secrets.token_hex(4)}"
    runtime.mkdir(mode=0o700)
    state = tmp_path / "state"
    state.mkdir()
    yield Places(state=state, runtime=runtime)
    shutil.rmtree(runtime)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with Client() as made:
        yield made


@pytest.fixture
async def house(places: Places, client: Client) -> AsyncIterator[House]:
    """A gateway that is not started yet, and everything around it."""
    made = House(places, client)
    yield made
    await made.close()


@pytest.fixture(scope="session")
def embedded_llm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackendRoute]:
    """The embedded llama.cpp server with two slots, one for all who ask it."""
    with llama.serving(tmp_path_factory.mktemp("llm")) as made:
        yield made


async def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Waits for ``condition``; it must come true within ``seconds``."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)
