"""A store of one's own, whose wall clock stands still at `NOW`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sutazai.fleet.errors import NotFound
from sutazai.fleet.serving import Record
from sutazai.gateway.records.store import Store
from tests.gateway.records.makers import NOW, keeping


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gateway-calls.sqlite"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    async with running(path) as made:
        yield made


@asynccontextmanager
async def running(path: Path, record: Record | None = None) -> AsyncIterator[Store]:
    store = Store(path, record or keeping(), wall=lambda: NOW)
    store.start()
    try:
        yield store
    finally:
        await store.close()


async def written(store: Store) -> None:
    """Until all that was told before is in the file: a change comes after it."""
    with pytest.raises(NotFound):
        await store.letters.remove("nobody's")
