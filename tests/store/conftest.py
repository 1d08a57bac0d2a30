"""A migrated database in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sutazai.store import Database, migrate
from sutazai.store.database import sqlite_url


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    url = sqlite_url(tmp_path / "store.sqlite")
    migrate(url)
    database = Database(url)
    yield database
    database.close()
