"""Brings a database to the schema of this version, at control's start."""

from __future__ import annotations

import os
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from sutazai.store.database import make_engine, translated

PRIVATE = 0o600
MIGRATING = 7_210_001
"""Number of the lock that Postgres gives for it."""
MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(url: str) -> None:
    """Creates or upgrades the schema at ``url``; blocks. Raises Unavailable."""
    _make_private(url)
    engine = make_engine(url).execution_options(writes=True)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    try:
        with engine.begin() as connection:
            _alone(connection)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DBAPIError as error:
        raise translated(error) from error
    finally:
        engine.dispose()


def _alone(connection: Connection) -> None:
    """Processes that start at the same time on one database migrate it one after the other."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(MIGRATING)))


def _make_private(url: str) -> None:
    """A SQLite file is its owner's only, from the first moment on; its side files follow it."""
    place = make_url(url)
    if place.get_backend_name() == "sqlite" and place.database:
        os.close(os.open(place.database, os.O_RDWR | os.O_CREAT, PRIVATE))
