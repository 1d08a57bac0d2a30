"""Notifications that really arrive: Apprise in its own process, a webhook on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from sutazai.control.alerts.delivering import deliver
from sutazai.control.alerts.sending import Sender
from sutazai.fleet.alerting import Target
from tests.control.alerts.watched import Watched, fleet
from tests.control.conftest import eventually
from tests.webhook import Hook

pytestmark = pytest.mark.skipif(
    find_spec("apprise") is None, reason="Apprise is missing: pip install 'sutazai[alerts]'"
)
PATIENCE = 60.0


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.close()


@pytest.fixture
def watched(tmp_path: Path, hook: Hook) -> Watched:
    (tmp_path / "hook").write_text(hook.url)
    targets = {
        "team": {"url": "file:hook"},
        "boss": {"url": "file:hook", "level": 3},
        "nobody": {"url": "file:no-such-file", "severities": ["info"]},
    }
    return Watched(tmp_path / "alerts.json", fleet(targets=targets))


def troubles(watched: Watched) -> list[str]:
    """What was said of targets that could not be notified."""
    return [message for kind, message in watched.events if kind == "notification-failed"]


@asynccontextmanager
async def delivering(watched: Watched, base: Path, *, within: float = 60) -> AsyncIterator[None]:
    targets = {"team": Target(url="file:hook"), "boss": Target(url="file:hook")}
    sender = Sender(targets, base, within=within)
    task = asyncio.create_task(deliver(watched.desk, sender, nap=0.05), name="deliver")
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_webhook_hears_of_an_alert_and_of_its_end(
    watched: Watched, hook: Hook, tmp_path: Path
) -> None:
    async with delivering(watched, tmp_path):
        await watched.see("planner")
        await eventually(lambda: hook.taken, PATIENCE)
        for _ in range(20):
            await watched.see()
        await eventually(lambda: len(hook.taken) == 2, PATIENCE)
        await eventually(lambda: not watched.desk.waiting(), PATIENCE)

    assert hook.titles == ["warning: hot", "resolved: hot"]
    assert [each["type"] for each in hook.taken] == ["warning", "success"]
    assert "too hot: planner" in hook.taken[0]["message"]
    assert "sutazai alerts ack hot-" in hook.taken[0]["message"]


async def test_escalations_reach_more_people(watched: Watched, hook: Hook, tmp_path: Path) -> None:
    async with delivering(watched, tmp_path):
        for _ in range(95):
            await watched.see("planner")
        await eventually(lambda: len(hook.taken) == 5, PATIENCE)

    assert sorted(hook.titles) == [
        "warning: hot",
        "warning: hot, told again (1)",
        "warning: hot, told again (2)",
        "warning: hot, told again (3)",
        "warning: hot, told again (3)",
    ]


async def test_what_nobody_takes_is_tried_again_over_a_restart_of_control(
    watched: Watched, hook: Hook, tmp_path: Path
) -> None:
    hook.broken = True
    async with delivering(watched, tmp_path):
        await watched.see("planner")
        await eventually(lambda: troubles(watched), PATIENCE)

    watched.restarted()
    hook.broken = False
    watched.now += 60
    async with delivering(watched, tmp_path):
        await eventually(lambda: hook.taken, PATIENCE)
        await eventually(lambda: not watched.desk.waiting(), PATIENCE)

    assert hook.titles == ["warning: hot"]


async def test_a_target_that_hangs_is_left_at_its_deadline(
    watched: Watched, hook: Hook, tmp_path: Path
) -> None:
    hook.stuck.clear()
    async with delivering(watched, tmp_path, within=5):
        await watched.see("planner")
        await eventually(lambda: troubles(watched), PATIENCE)

    (told,) = troubles(watched)
    assert "team cannot be notified" in told


async def test_a_secret_that_is_not_there_is_said_and_never_shown(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "alerts.json", fleet(targets={"team": {"url": "file:hook"}}))
    async with delivering(watched, tmp_path):
        await watched.see("planner")
        await eventually(lambda: troubles(watched), PATIENCE)

    (told,) = troubles(watched)
    assert "cannot be used" in told
    assert "hook" not in (tmp_path / "alerts.json").read_text()
