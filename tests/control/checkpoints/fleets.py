"""A state folder with something of everything in it, and control beside it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sutazai.control.checkpoints.desk import CheckpointDesk
from sutazai.control.feed import EventFeed
from sutazai.control.settings import read_settings
from sutazai.fleet.checkpoints import CheckpointPlan
from sutazai.fleet.files import replace_file
from sutazai.fleet.places import Places
from sutazai.store import Database, Events, Revisions, migrate
from sutazai.store.database import sqlite_url
from tests.control.conftest import small_fleet, write_state


class Clock:
    """Seconds since 1970, moved by hand."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def fill(places: Places, plan: CheckpointPlan | None = None) -> None:
    """What a fleet leaves behind: databases, keys, artifacts, homes with a database of an agent."""
    write_state(places, small_fleet(checkpoints=plan or CheckpointPlan()), 10010)
    migrate(sqlite_url(places.database))
    for path in (places.workflow_database, places.calls, places.home("planner") / "memory.db"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("CREATE TABLE facts (fact TEXT)")
            connection.execute("INSERT INTO facts VALUES ('remembered')")
            connection.commit()
    replace_file(places.state / "keys.json", '{"planner": "secret"}')
    (places.home("planner") / "notes.txt").write_text("a note")
    (places.artifacts / "run-1").mkdir(parents=True)
    (places.artifacts / "run-1" / "plan.md").write_text("# the plan")


def desk_of(places: Places, database: Database, *, clock: Clock | None = None) -> CheckpointDesk:
    feed = EventFeed(Events(database))
    return CheckpointDesk(read_settings(places), database, feed, clock=clock or Clock())


async def record_revision(places: Places, database: Database) -> int:
    revision = await Revisions(database).record(
        read_settings(places).fleet, author="somebody", at=1.0, reason="a test"
    )
    return revision.number


def facts_of(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [fact for (fact,) in connection.execute("SELECT fact FROM facts")]


def drafts(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]
