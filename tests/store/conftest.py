"""A migrated database in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sutazai.fleet.ids import new_tag
from sutazai.store import Database, migrate
from sutazai.store.database import database_url, sqlite_url
from tests.postgres import Postgres, postgres


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    yield from opened(sqlite_url(tmp_path / "store.sqlite"))


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    with postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def any_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """The same test on both kinds of database."""
    if request.param == "sqlite":
        yield from opened(sqlite_url(tmp_path / "store.sqlite"))
    else:
        server: Postgres = request.getfixturevalue("server")
        yield from opened(database_url(server.create(f"store_{new_tag()}")))


def opened(url: str) -> Iterator[Database]:
    migrate(url)
    database = Database(url)
    yield database
    database.close()
