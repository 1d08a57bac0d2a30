"""What the tests of the embedded server share."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sutazai.wire import Client
from tests.llm.serving import Serving, serving


@pytest.fixture
def folder() -> Iterator[Path]:
    """A private folder whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="llm") as path:
        yield Path(path)


@pytest.fixture(scope="session")
def server() -> Iterator[Serving]:
    """The real server, shared by the tests that only ask it."""
    with (
        tempfile.TemporaryDirectory(prefix="llm") as path,
        serving(Path(path) / "run" / "llm.sock") as server,
    ):
        yield server


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with asyncio.timeout(60), Client() as client:
        yield client
