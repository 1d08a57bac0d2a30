"""Fleets are accepted as revisions, compared, and gone back to."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from sutazai.control.accepted import in_force
from sutazai.control.settings import read_settings
from sutazai.fleet.places import Places
from sutazai.fleet.revisions import Application, Revision
from sutazai.fleet.spec import Agent, Fleet
from tests.control.conftest import TOKEN, eventually, running_control, small_fleet
from tests.control.peers import FakeGateway, FakeHost

PROMPT = "Review with care."


def changed(**more: Any) -> Fleet:
    """The small fleet with another prompt for one agent."""
    fleet = small_fleet()
    return fleet.model_copy(
        update={"agents": {**fleet.agents, "reviewer": Agent(prompt=PROMPT)}, **more}
    )


def application(fleet: Fleet, **more: Any) -> dict[str, Any]:
    spec = fleet.model_dump(mode="json", by_alias=True)
    return {"fleet": spec, "author": "ann", "now": True, **more}


async def apply(api: httpx.AsyncClient, fleet: Fleet, **more: Any) -> httpx.Response:
    return await api.post("/api/v1/revisions", json=application(fleet, **more))


async def test_a_dry_run_tells_what_would_be_done_and_does_nothing(
    api: httpx.AsyncClient, host: FakeHost
) -> None:
    plan = (await apply(api, changed(), dry_run=True, now=False)).json()
    (unit,) = plan["difference"]["units"]
    assert (unit["name"], unit["effect"]) == ("reviewer", "moved")
    assert unit["fields"] == [{"path": "prompt", "before": "Review.", "after": PROMPT}]
    assert (plan["revision"], plan["rollout"], plan["accepted"]) == (2, 1, False)
    assert plan["beside"] == 2 * 128 * 1024**2
    assert len((await api.get("/api/v1/revisions")).json()) == len(host.pushed) == 1


async def test_the_same_fleet_is_no_new_revision(api: httpx.AsyncClient) -> None:
    plan = (await apply(api, small_fleet())).json()
    assert (plan["accepted"], plan["difference"]["units"]) == (False, [])
    assert len((await api.get("/api/v1/revisions")).json()) == 1


@pytest.mark.parametrize(
    ("update", "code", "told"),
    [
        ({"name": "other"}, "Refused", "name cannot change"),
        ({"database": "postgresql://x/y"}, "Refused", "database cannot change"),
    ],
)
async def test_what_a_fleet_keeps_while_it_runs_is_refused_to_change(
    api: httpx.AsyncClient, update: dict[str, Any], code: str, told: str
) -> None:
    error = (await apply(api, changed(**update))).json()["error"]
    assert error["code"] == code and told in error["message"] and "sutazai down" in error["hint"]


async def test_what_is_no_fleet_is_refused_with_its_place(api: httpx.AsyncClient) -> None:
    asked = application(changed())
    asked["fleet"]["agents"]["reviewer"]["concurrency"] = "many"
    error = (await api.post("/api/v1/revisions", json=asked)).json()["error"]
    assert error["code"] == "BadFleet" and "agents.reviewer.concurrency" in error["message"]


async def test_control_starts_anew_with_what_was_accepted(
    places: Places, host: FakeHost, gateway: FakeGateway
) -> None:
    async with running_control(places) as (parts, _):
        await eventually(lambda: host.pushed and gateway.pushed)
        asked = Application.model_validate(application(changed(), reason="more care"))
        plan = await parts.reviser.apply(asked)
        assert (plan.revision, plan.accepted) == (2, True)
        await asyncio.wait_for(parts.stopping.wait(), 60)
    async with running_control(places) as (parts, _):
        await eventually(lambda: len(host.pushed) == 2)
        assert parts.settings.fleet.agents["reviewer"].prompt == PROMPT
        infos = await parts.reviser.history()
    assert (infos[0].number, infos[0].author, infos[0].reason) == (2, "ann", "more care")
    before, after = ({unit.name: unit.version for unit in each.units} for each in host.pushed)
    assert [name for name, version in after.items() if version != before[name]] == ["reviewer"]


async def test_an_earlier_revision_becomes_the_next_one(
    places: Places, host: FakeHost, gateway: FakeGateway
) -> None:
    async with running_control(places) as (parts, _):
        await parts.reviser.apply(Application.model_validate(application(changed())))
    async with running_control(places) as (_, url):
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as api:
            there = (await api.get("/api/v1/revisions/1/difference/2")).json()
            assert [unit["name"] for unit in there["units"]] == ["reviewer"]
            missing = await api.post("/api/v1/revisions/9/restore", json={})
            assert missing.json()["error"]["code"] == "NotFound"
            plan = (await api.post("/api/v1/revisions/1/restore", json={"now": True})).json()
    assert (plan["revision"], plan["accepted"]) == (3, True)
    assert read_settings(places).fleet.agents["reviewer"].prompt == "Review."


async def test_what_was_accepted_last_is_in_force_whatever_a_crash_left(places: Places) -> None:
    settings = read_settings(places)
    spec = changed().model_dump(mode="json", by_alias=True)
    fields = {"number": 2, "fleet": "small", "author": "ann", "reason": "", "spec": spec}
    younger = Revision.model_validate({**fields, "at": settings.config.started + 1})
    assert in_force(settings, younger).fleet.agents["reviewer"].prompt == PROMPT
    older = Revision.model_validate({**fields, "at": settings.config.started - 1})
    assert in_force(settings, older) == in_force(settings, None) == settings
