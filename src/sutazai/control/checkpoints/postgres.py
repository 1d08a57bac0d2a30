"""A database in Postgres: its own tools copy it, consistent, and put it back whole or not at all.

Imported on demand: what it needs takes commands longer to import than they run.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy.engine import make_url

from sutazai.control.checkpoints.programs import Program, read_by, write_by
from sutazai.control.settings import read_settings
from sutazai.control.work import control_database
from sutazai.fleet.errors import Unavailable
from sutazai.fleet.places import Places

DUMP = "database.pgdump"


async def dump_database(url: str, folder: Path) -> None:
    """Writes the dump to ``folder``. Raises Unavailable without pg_dump, Failed."""
    command = (_tool("pg_dump"), "--format=custom", "--no-owner")
    await write_by(Program("the dump of Postgres", command, _environment(url)), folder / DUMP)


def load_database(places: Places, dump: Path) -> None:
    """Makes the database that the fleet in a state folder declares what it was. Blocks.

    Raises as `dump_database`; then nothing has changed.
    """
    asyncio.run(_load(control_database(read_settings(places), os.environ), dump))


async def _load(url: str, dump: Path) -> None:
    command = (
        _tool("pg_restore"),
        "--clean",
        "--if-exists",
        "--no-owner",
        "--single-transaction",
        f"--dbname={make_url(url).database}",
    )
    await read_by(Program("the restore of Postgres", command, _environment(url)), dump)


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Unavailable(
            f"the fleet's database is Postgres, and {name} is not on the PATH",
            hint="install Postgres's client programs, as with apt-get install postgresql-client",
        )
    return found


def _environment(url: str) -> Mapping[str, str]:
    """Where the database is: never in an argument, which every user of the machine could read."""
    place = make_url(url)
    given = {
        "PGHOST": place.host,
        "PGPORT": str(place.port) if place.port else None,
        "PGUSER": place.username,
        "PGPASSWORD": place.password,
        "PGDATABASE": place.database,
        **{f"PG{name.upper()}": str(value) for name, value in place.query.items()},
    }
    return {name: str(value) for name, value in given.items() if value}
