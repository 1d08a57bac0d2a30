"""Migrations lead to what the models say, and a database can be migrated again."""

from __future__ import annotations

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from sutazai.store import Database, migrate
from sutazai.store.database import make_engine, sqlite_url
from sutazai.store.models import Base


def test_models_and_migrated_schema_agree(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "store.sqlite")
    migrate(url)
    engine = make_engine(url)
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, Base.metadata) == []
    finally:
        engine.dispose()


def test_migrating_twice_changes_nothing(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "a folder with 100% odd name.sqlite")
    migrate(url)
    migrate(url)


async def test_sqlite_runs_in_wal_mode_with_foreign_keys(database: Database) -> None:
    async def pragma(name: str) -> object:
        return await database.read(lambda s: s.execute(text(f"PRAGMA {name}")).scalar())

    assert await pragma("journal_mode") == "wal"
    assert await pragma("synchronous") == 1
    assert await pragma("foreign_keys") == 1
    assert await pragma("busy_timeout") == 5000
