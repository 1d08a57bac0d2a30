"""A filled state folder, its database, and a desk that makes checkpoints of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sutazai.control.checkpoints.desk import CheckpointDesk
from sutazai.fleet.places import Places
from sutazai.store import Database
from sutazai.store.database import sqlite_url
from tests.control.checkpoints.fleets import Clock, desk_of, fill


@pytest.fixture
def database(places: Places) -> Iterator[Database]:
    fill(places)
    database = Database(sqlite_url(places.database))
    yield database
    database.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(places: Places, database: Database, clock: Clock) -> CheckpointDesk:
    return desk_of(places, database, clock=clock)
