"""Every async test of this room runs on the standard event loop and on uvloop."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import pytest
import uvloop

from sutazai.wire import Client, Handler, Server, ServerLimits
from tests.wire.peers import Running, ScriptedServer


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="wire") as path:
        yield Path(path)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with asyncio.timeout(30), Client() as client:
        yield client


DEFAULTS = ServerLimits()


class Serve:
    """Starts servers for a test and ends them after it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._servers: list[Server] = []

    async def __call__(self, handler: Handler, limits: ServerLimits = DEFAULTS) -> Running:
        server = Server(handler, limits)
        self._servers.append(server)
        port = await server.listen_tcp("127.0.0.1", 0, "tcp")
        path = self._folder / f"{len(self._servers)}.sock"
        await server.listen_unix(path, "unix")
        return Running(server, port, path)

    async def close(self) -> None:
        for server in self._servers:
            await server.close(grace=0)
            assert server.connections == 0


@pytest.fixture
async def serve(folder: Path) -> AsyncIterator[Serve]:
    serve = Serve(folder)
    yield serve
    async with asyncio.timeout(60):
        await serve.close()


@pytest.fixture
async def scripted() -> AsyncIterator[Callable[..., ScriptedServer]]:
    started: list[ScriptedServer] = []

    def start(*answers: bytes | None, reset: bool = False) -> ScriptedServer:
        started.append(ScriptedServer(answers, reset=reset))
        return started[-1]

    yield start
    for server in started:
        await server.close()
