"""Alerts in control: what people ask for, what is kept, what is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from sutazai.control.alerts.desk import SILENCES_MAX
from sutazai.fleet.alert_status import AlertState, SilenceWanted
from sutazai.fleet.errors import BadInput, Conflict, NotFound
from tests.control.alerts.watched import Watched, fleet

URL = {"team": {"url": "${HOOK}"}}


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "alerts.json", fleet(targets=URL))


def matching(until: float, **matchers: str) -> SilenceWanted:
    return SilenceWanted(matchers=matchers, until=until, by="ada", why="maintenance")


async def test_an_alert_is_an_event_and_so_is_its_end(watched: Watched) -> None:
    await watched.see("planner")
    for _ in range(20):
        await watched.see()

    assert watched.events == [
        ("alert-firing", "warning hot: too hot: planner"),
        ("alert-resolved", "warning hot: too hot: planner"),
    ]
    assert [alert.state for alert in watched.desk.alerts()] == [AlertState.RESOLVED]


async def test_it_is_acknowledged_by_its_id_or_by_its_rule(watched: Watched) -> None:
    await watched.see("planner")
    (alert,) = watched.desk.alerts()

    one = await watched.desk.acknowledge("hot", by="ada", note="on it")
    two = await watched.desk.acknowledge(alert.id, by="bob", note="")

    assert one.acknowledged is not None and one.acknowledged.by == "ada"
    assert two.acknowledged is not None and two.acknowledged.by == "bob"
    with pytest.raises(NotFound):
        await watched.desk.acknowledge("cold", by="ada", note="")


async def test_what_is_over_cannot_be_acknowledged(watched: Watched) -> None:
    await watched.see("planner")
    (alert,) = watched.desk.alerts()
    for _ in range(20):
        await watched.see()

    with pytest.raises(Conflict):
        await watched.desk.acknowledge(alert.id, by="ada", note="")


async def test_silences_are_made_changed_and_ended(watched: Watched) -> None:
    made = await watched.desk.silence(matching(watched.now + 3600, agent="planner"))
    await watched.see("planner")
    assert [alert.muted for alert in watched.desk.alerts()] == [f"silence: {made.id}"]

    changed = await watched.desk.silence(
        matching(watched.now + 60, agent="planner"), instead_of=made.id
    )
    assert (changed.id, changed.since) == (made.id, made.since)
    await watched.desk.end_silence(made.id)
    await watched.see("planner")

    assert watched.desk.silences() == []
    assert [alert.muted for alert in watched.desk.alerts()] == [""]
    assert [kind for kind, _ in watched.events].count("alert-firing") == 1


async def test_silences_that_make_no_sense_are_refused(watched: Watched) -> None:
    with pytest.raises(BadInput):
        await watched.desk.silence(matching(watched.now - 1, agent="planner"))
    with pytest.raises(NotFound):
        await watched.desk.end_silence("none")
    for _ in range(SILENCES_MAX):
        await watched.desk.silence(matching(watched.now + 60, agent="planner"))
    with pytest.raises(Conflict):
        await watched.desk.silence(matching(watched.now + 60, agent="planner"))


async def test_nothing_is_lost_when_control_is_killed(watched: Watched) -> None:
    """Whatever was noted is on the disk before anybody is told."""
    await watched.desk.silence(matching(watched.now + 3600, agent="reviewer"))
    await watched.see("planner", "reviewer")
    before = watched.desk.alerts()
    await watched.desk.acknowledge("hot", by="ada", note="")

    watched.restarted()

    (after,) = watched.desk.alerts()
    assert after.id == before[0].id
    assert after.acknowledged is not None
    assert after.count == 1
    assert [letter.title for letter in watched.desk.due()] == ["warning: hot"]


async def test_a_file_that_cannot_be_read_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "alerts.json"
    path.write_text("{ torn")

    watched = Watched(path, fleet())
    await watched.see("planner")

    assert [alert.rule for alert in watched.desk.alerts()] == ["hot"]
    assert path.with_suffix(".unreadable").read_text() == "{ torn"


async def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    watched = Watched(folder / "alerts.json", fleet())
    folder.rmdir()

    await watched.see("planner")

    assert [kind for kind, _ in watched.events] == ["alert-firing"]


async def test_rules_say_what_they_see(watched: Watched) -> None:
    await watched.see("planner", "reviewer")

    rules = {rule.name: rule for rule in watched.desk.rules()}

    assert rules["hot"].seen == 2
    assert rules["hot"].state is AlertState.FIRING
    assert rules["hot"].condition == "heat > 5"
    assert rules["queue-long"].seen == 0
    (objective,) = watched.desk.objectives()
    assert (objective.name, objective.target, objective.budget_left) == ("answered", 0.999, 1.0)
