"""`kill -9` anywhere between a schedule's time and its record: its work is begun, and once."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sutazai.fleet.ids import new_tag
from sutazai.store import migrate
from sutazai.store.database import database_url, sqlite_url
from tests.postgres import Postgres, postgres
from tests.tasks.conftest import Workplace, small_fleet, working
from tests.tasks.peers import Body
from tests.tasks.schedules.conftest import Desk
from tests.tasks.schedules.dying import POINTS, schedules

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.timeout(300)  # processes start again and again


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "store.sqlite")
    server: Postgres = request.getfixturevalue("server")
    return database_url(server.create(f"schedules_{new_tag()}"))


async def echo(body: Body) -> Any:
    return body["input"]


async def killed(folder: Path, url: str, what: str, point: str) -> None:
    """One life that ends by SIGKILL at a point."""
    words = ("-m", "tests.tasks.schedules.dying", str(folder), url, what, point)
    process = await asyncio.create_subprocess_exec(sys.executable, *words, cwd=ROOT)
    assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL


async def work_of(desk: Desk, what: str) -> list[str]:
    found = await (desk.tasks() if what == "task" else desk.runs())
    return [each.id for each in found]


@pytest.mark.parametrize("what", ["task", "run"])
@pytest.mark.parametrize("point", POINTS)
async def test_a_time_is_begun_once(tmp_path: Path, url: str, what: str, point: str) -> None:
    migrate(url)
    await killed(tmp_path, url, what, point)
    async with working(tmp_path, url, small_fleet()) as workplace:
        workplace.gateway.agents["helper"] = echo
        desk = Desk(workplace, schedules(what))
        before = await work_of(desk, what)
        assert len(before) == (point == "before it is recorded")
        for _ in range(2):
            await desk.at(0.55)
            desk.scheduler = desk.another()
        (work,) = await work_of(desk, what)
        assert before in ([], [work])
        assert desk.kinds() == ["fired"]
        assert (await desk.scheduler.get("nightly")).state.last.endswith(f"began {work}")
        await ended(workplace, what, work)


async def ended(workplace: Workplace, what: str, work: str) -> None:
    await (workplace.ended_task(work) if what == "task" else workplace.ended_run(work))
