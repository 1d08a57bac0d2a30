"""Every part of a real fleet is killed under load: nothing that was accepted is lost, each key has
one effect, and the queue keeps its order and its bounds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import Postgres, postgres
from tests.tasks.killing import check, fleet_of_doers, survive


@pytest.fixture(params=["sqlite", "postgres"])
def server(request: pytest.FixtureRequest) -> Iterator[Postgres | None]:
    """The database; None is SQLite, which is in control and is killed with it."""
    if request.param == "sqlite":
        yield None
        return
    with postgres() as server:
        yield server


@pytest.mark.timeout(300)
async def test_kill_9_of_any_part_loses_nothing(tmp_path: Path, server: Postgres | None) -> None:
    await kill_and_check(tmp_path, server, count=90, rounds=1)


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_kill_9_of_any_part_loses_nothing_for_long(
    tmp_path: Path, server: Postgres | None
) -> None:
    await kill_and_check(tmp_path, server, count=900, rounds=10)


async def kill_and_check(
    tmp_path: Path, server: Postgres | None, *, count: int, rounds: int
) -> None:
    database = server.create("durable") if server is not None else None
    with fleet_of_doers(tmp_path, database) as fleet:
        giver, tasks = await survive(fleet, server, count=count, rounds=rounds)
        check(giver, tasks, tmp_path / "effects")
