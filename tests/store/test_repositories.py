"""What goes into the store comes out of it as the same frozen shapes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest

from sutazai.fleet.errors import NotFound
from sutazai.fleet.spec import Agent, Fleet
from sutazai.fleet.status import Event
from sutazai.fleet.work import Artifact, Run, StepStatus, WorkState
from sutazai.store import Database, Events, Policies, Revisions, Runs, Stops


def event(message: str, unit: str | None = None) -> Event:
    return Event(
        sequence=7, at=1.5, source="host", kind="started", unit=unit, message=message, data={"n": 1}
    )


def run(run_id: str, created: float = 1.0) -> Run:
    return Run(
        id=run_id,
        workflow="standard",
        goal="a goal",
        backlog=("one", "two"),
        state=WorkState.PENDING,
        created=created,
    )


def done_at(at: float) -> Callable[[Run], Run]:
    return lambda r: r.model_copy(update={"state": WorkState.DONE, "ended": float(at)})


async def test_a_changed_fleet_gets_a_new_revision_and_the_same_one_does_not(
    database: Database,
) -> None:
    revisions = Revisions(database)
    fleet = Fleet(name="small", agents={"planner": Agent(prompt="Plan.")})
    first = await revisions.record(fleet, author="ann", at=1.0, reason="up")
    again = await revisions.record(fleet, author="bob", at=2.0, reason="up")
    assert first == again and first.number == 1

    larger = fleet.model_copy(update={"agents": {**fleet.agents, "reviewer": Agent()}})
    second = await revisions.record(larger, author="bob", at=3.0, reason="up")
    assert second.number == 2
    assert await revisions.newest() == second
    assert Fleet.model_validate(second.spec) == larger
    planner = await revisions.agent("planner", 1)
    assert planner is not None and planner["prompt"] == "Plan."
    assert await revisions.agent("reviewer", 1) is None


async def test_the_same_fleet_in_another_folder_is_a_new_revision(database: Database) -> None:
    revisions = Revisions(database)
    fleet = Fleet(name="small", agents={"planner": Agent(prompt="Plan.")})
    record = partial(revisions.record, fleet, author="ann", at=1.0, reason="apply")
    first = await record(file="/srv/one/fleet.yaml")
    again = await record(file="/srv/one/parts.yaml")
    assert again == first
    moved = await record(file="/srv/two/fleet.yaml")
    assert (moved.number, moved.file) == (2, "/srv/two/fleet.yaml")


async def test_revisions_are_kept_to_a_bound_with_their_agents(database: Database) -> None:
    revisions = Revisions(database, kept=2)
    for number in range(4):
        fleet = Fleet(name="small", agents={"planner": Agent(prompt=f"Plan {number}.")})
        await revisions.record(fleet, author="ann", at=1.0, reason="up")
    assert await revisions.agent("planner", 2) is None
    assert await revisions.agent("planner", 3) is not None


async def test_events_are_numbered_in_the_order_they_are_stored(database: Database) -> None:
    events = Events(database)
    await events.add([event("a", "planner"), event("b")])
    await events.add([event("c", "planner")])
    stored = await events.after(0, limit=100)
    assert [(e.sequence, e.message) for e in stored] == [(1, "a"), (2, "b"), (3, "c")]
    assert stored[0] == event("a", "planner").model_copy(update={"sequence": 1})
    assert [e.message for e in await events.after(1, limit=1)] == ["b"]
    assert [e.message for e in await events.newest(5, unit="planner")] == ["a", "c"]
    assert [e.message for e in await events.newest(2)] == ["b", "c"]
    assert [e.message for e in await events.newest(5, after=2)] == ["c"]


async def test_old_events_are_retired_and_their_numbers_never_come_again(
    database: Database,
) -> None:
    events = Events(database, kept=3)
    for number in range(10):
        await events.add([event(str(number))])
    assert [e.sequence for e in await events.after(0, limit=100)] == [8, 9, 10]


async def test_reading_another_process_goes_on_where_it_stopped(database: Database) -> None:
    events = Events(database)
    assert await events.position("host") == 0
    await events.add_from("host", [event("a"), event("b")], 12)
    assert await events.position("host") == 12
    await events.add_from("host", [event("c")], 13)
    assert await Events(database).position("host") == 13


async def test_a_run_is_changed_by_pure_functions_until_it_has_ended(database: Database) -> None:
    runs = Runs(database)
    await runs.add(run("run-1"))
    step = StepStatus(name="plan", agent="planner", state=WorkState.RUNNING, started=2.0)
    artifact = Artifact(name="plan.md", path="/x/plan.md", size=3, sha256="00")
    update = {"steps": (step,), "artifacts": (artifact,), "notes": ("n",)}
    changed = await runs.change("run-1", lambda r: r.model_copy(update=update))
    assert await runs.get("run-1") == changed == run("run-1").model_copy(update=update)

    await runs.change("run-1", lambda r: r.model_copy(update={"state": WorkState.CANCELLED}))
    late = await runs.change("run-1", lambda r: r.model_copy(update={"state": WorkState.DONE}))
    assert late.state is WorkState.CANCELLED
    with pytest.raises(NotFound):
        await runs.change("run-2", lambda r: r)


async def test_changes_at_the_same_time_do_not_overwrite_each_other(database: Database) -> None:
    runs = Runs(database)
    await runs.add(run("run-1"))

    async def note(text: str) -> None:
        await runs.change("run-1", lambda r: r.model_copy(update={"notes": (*r.notes, text)}))

    await asyncio.gather(*(note(str(number)) for number in range(20)))
    stored = await runs.get("run-1")
    assert stored is not None and sorted(stored.notes) == sorted(map(str, range(20)))


async def test_ended_runs_are_retired_by_age_and_number(database: Database) -> None:
    runs = Runs(database)
    for number in range(5):
        await runs.add(run(f"run-{number}", created=number))
        if number != 0:
            await runs.change(f"run-{number}", done_at(number))
    assert await runs.retire(before=2.0, kept=2) == ["run-1", "run-2"]
    assert [r.id for r in await runs.newest()] == ["run-4", "run-3", "run-0"]
    assert await runs.open_ids() == ["run-0"]


async def test_a_policy_keeps_its_number_while_its_content_stays(database: Database) -> None:
    policies = Policies(database)
    assert await policies.number("desired", "a") == 1
    assert await policies.number("desired", "a") == 1
    assert await policies.number("desired", "b") == 2
    assert await policies.number("routes", "b") == 1
    assert await policies.number("desired", "b", above=7) == 8  # a peer knows of a later one
    assert await policies.number("desired", "b", above=7) == 8


async def test_a_stopped_unit_is_remembered_until_it_is_started(database: Database) -> None:
    stops = Stops(database)
    await stops.add("planner", 1.0)
    await stops.add("planner", 2.0)
    await stops.add("executor", 2.0)
    await stops.remove("planner")
    assert await stops.all() == {"executor"}
